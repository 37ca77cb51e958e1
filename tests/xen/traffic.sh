# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# Traffic between domUs and a container. Sourced by lib.sh.

# For 10.0.0.1 = vm1, 10.0.0.2 = vm2 and 10.0.0.3 = container c1, regardless of what connects them.
# shellcheck disable=SC2034 # for scripts
MAC1=00:16:3e:00:00:11 MAC2=00:16:3e:00:00:12

pings() { domu_exec "$1" "ping -c 3 -i 0.2 -W 10 $2 ${3:-}" 40; }

# rate NAME GUEST ADDRESS [OPTION]... - passes if bytes arrive, and prints the rate; see iperf
rate()
{
	local name=$1 mbps

	shift
	if mbps=$(iperf "$@" -t 1 2>"$WORK/output"); then
		pass "$name: $mbps Mb/s"
	else
		fail "$name" "$(cat "$WORK/output")"
	fi
}

# intact FROM ADDRESS TO - data that FROM, a domU or a container, sends to TO arrives unchanged. (Between guests no
# checksum is verified.)
intact()
{
	local sent got

	sent=$(at "$1" 'head -c 3000000 /dev/urandom >/tmp/sent; httpd -p 7000 -h /tmp 2>/dev/null; sha256sum </tmp/sent') &&
		got=$(at "$3" "wget -q -O - http://$2:7000/sent | sha256sum") && [ -n "$got" ] && [ "$sent" = "$got" ]
}

# at NAME COMMAND - run it in a domU or a container
at()
{
	if [ -e "/run/netns/$1" ]; then
		timeout 60 ip netns exec "$1" busybox sh -c "$2"
	else
		domu_exec "$1" "$2"
	fi
}

# traffic WHAT - check traffic between all of them
traffic()
{
	check "$1: vm1 reaches vm2" pings vm1 10.0.0.2
	check "$1: vm2 reaches vm1, in fragments" pings vm2 10.0.0.1 "-s 9000"
	check "$1: vm1 reaches the container" pings vm1 10.0.0.3
	check "$1: the container reaches vm2" in_ns c1 ping -c 3 -i 0.2 -W 10 10.0.0.2
	ss -Hltn -N c1 | grep -q :5201 || in_ns c1 iperf3 -s -D >/dev/null
	wait_for "ss -Hltn -N c1 | grep -q :5201" 20
	rate "$1: TCP, vm1 to vm2" vm1 10.0.0.2
	rate "$1: TCP, vm2 to vm1" vm1 10.0.0.2 -R
	rate "$1: TCP, vm1 to the container" vm1 10.0.0.3
	rate "$1: TCP, the container to vm1" vm1 10.0.0.3 -R
}

# busy NAME ADDRESS - make traffic until `idle NAME`: in bursts, because otherwise xl would get only a
# twentieth of the CPU.
busy()
{
	domu_exec "$1" "rm -f /tmp/busy; ping -s 1400 -i 0.1 $2 >/dev/null & echo \$! >/tmp/pid
		iperf3 -b 10M --pacing-timer 100000 --forceflush -i 0.2 -t 600 -c $2 >/tmp/busy 2>&1 & echo \$! >>/tmp/pid"
	check "there is traffic" domu_exec "$1" 'until grep "[KM]bits/sec" /tmp/busy; do usleep 100000; done'
}
idle() { domu_exec "$1" 'kill -KILL $(cat /tmp/pid)'; }

# gone NAME - destroy it, and check that nothing of it is left.
gone()
{
	local id

	id=$(domid "$1") || return
	domu_kill "$1" && wait_for "! vifs_of $id" 10
}
