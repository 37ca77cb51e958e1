#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# limit: 400
#
# The configuration survives restarts, kill -9 at any system call, and full or broken disks.
. "$(dirname "$0")/../lib.sh"
ns_enter "$@"
. "$TOP/tests/integration/lib/keep.sh"

# --- restarts ---------------------------------------------------------------------

restarts()
{
	keep
	check "keep: attach kvm" nfvctl attach kvm vm1 queues 2 macs 77
	mk_container c1 10.0.0.1/24
	check "keep: attach veth" nfvctl attach veth c1 dev veth-c1
	check "keep: attach temporary" nfvctl attach kvm vm2 temporary yes
	check "keep: link-local forward" nfvctl link-local forward
	check "keep: shortcut off c1" nfvctl shortcut off c1
	killed
	keep
	check "keep: after kill -9 all is there" has c1 vm1 vm2
	killed
	jq '.boot = "another"' "$(youngest)" >"$WORK/boot" && cat "$WORK/boot" >"$(youngest)"
	keep
	check "keep: after a boot all but what is temporary" has c1 vm1
	check "keep: with its parameters" [ "$(setting vm1 macs_max)" = 77 ]
	check "keep: and settings" [ "$(setting c1 shortcut)" = false ]
	check "keep: and the switch's" sh -c "'$NFVCTL' link-local | grep -q forward"
	check "keep: detach" nfvctl detach vm1
	check "keep: nfvd ends" stop_nfvd
	keep
	check "keep: what was detached stays away" has c1
	check_fails "keep: a second nfvd is refused the folder" timeout 20 "$NFVD" --state-dir "$WORK/other" --config-dir "$CONF"
}

# --- devices that come and go ------------------------------------------------------

heals()
{
	local start=0 took

	ip link add late0 type veth peer name late1
	check "keep: attach a veth" nfvctl attach veth late dev late0
	ip link del late0
	check "keep: its device goes" wait_for '[ "$(setting late state)" = gone ]' 5
	check "keep: show says why" wait_for '[[ $(setting late why) = *late0* ]]' 5
	check "keep: doctor says what is missing" wait_for "nfvctl doctor | grep -q 'late .*not attached'" 5
	check "keep: meanwhile it can be quarantined" nfvctl quarantine late
	check "keep: and get another policy" nfvctl set late vlan 10
	check_fails "keep: not one that makes no sense" nfvctl set late vlan 4095
	check_fails "keep: what was never attached cannot" nfvctl quarantine never
	ip link add late0 type veth peer name late1
	start=$(now_ms)
	check "keep: it comes back with its device" wait_for '[ "$(setting late state)" != gone ]' 5
	took=$(($(now_ms) - start))
	echo "  within $took ms"
	check "keep: as it was set meanwhile" [ "$(nfvctl -j show late | jq -c '.ports[0].policy')" = '{"vlan":"10","quarantine":"on"}' ]
	check "keep: and doctor has no more to say" wait_for "! nfvctl doctor | grep -q 'late .*not attached'" 5
	ip link del late0
	assert 'wait_for "[ \$(setting late state) = gone ]" 5'
	nap 0.3
	check "keep: what waits can be detached" nfvctl detach late
	check_fails "keep: once" nfvctl detach late
	ip link add late0 type veth peer name late1
	nap 0.5
	check "keep: and does not come back" has c1
	ip link del late0
}

# --- numbers, which mean another thing later ----------------------------------------

# in_pid PID NAMESPACE - a process with this number sleeps in that namespace
in_pid()
{
	echo $(($1 - 1)) >/proc/sys/kernel/ns_last_pid
	ip netns exec "$2" sleep 1000 &
	[ $! = "$1" ] || { kill $!; wait $!; false; } 2>/dev/null
}
numbers()
{
	local pid

	mk_container mine 10.0.0.5/24
	ip netns exec mine sleep 1000 &
	pid=$!
	wait_for "[ \"\$(readlink /proc/$pid/exe)\" = \"\$(realpath /bin/sleep)\" ]"
	check "keep: a container, by a process" nfvctl attach veth mine dev eth0 pid $pid
	killed
	keep
	check "keep: it comes back" [ "$(setting mine state)" = up ]
	jq 'del(.boot, .by) | .ports |= map(del(.started, .temporary))' "$(youngest)" >"$WORK/site"
	check "keep: what nfvd adds makes no difference to a file" grep -q "no difference" <(nfvctl diff "$WORK/site")
	kill $pid
	wait $pid 2>/dev/null
	ip netns del mine
	check "keep: its device goes" wait_for '[ "$(setting mine state)" = gone ]'
	mk_container theirs 10.0.0.6/24
	assert "wait_for 'in_pid $pid theirs'"
	check "keep: another process has its number" wait_for "[ /proc/$pid/ns/net -ef /run/netns/theirs ]"
	check "keep: it does not get the port" wait_for '[[ "$(setting mine why)" = *"another one has its number"* ]]'
	check "keep: nor if one asks for the first one" refused_as_another $pid
	check_fails "keep: a path of a process is refused" nfvctl attach veth path dev eth0 netns /proc/$pid/ns/net
	check_fails "keep: a start without a process is refused" nfvctl attach veth path dev eth0 netns theirs started 1
	check "keep: but who asks for it now gets it" nfvctl attach veth now dev eth0 pid $pid
	killed
	jq '.boot = "another" | .ports |= map(del(.temporary))' "$(youngest)" >"$WORK/boot" && cat "$WORK/boot" >"$(youngest)"
	keep
	check "keep: in another boot a number means nothing" has c1
	kill $pid
	ip netns del theirs
}
refused_as_another() { nfvctl attach veth other dev eth0 pid "$1" started 1 2>&1 | grep -q "has ended"; }

# --- many of them together -----------------------------------------------------------

MANY=80
up() { nfvctl -j show | jq '[.ports[] | select(.state == "up")] | length'; }
# make veth pairs with one end in a namespace; when it ends, all of them disappear at once
devices()
{
	ip netns add crowd
	for ((i = 0; i < MANY; i++)); do echo "link add m$i up type veth peer name p$i netns crowd"; done | ip -batch -
	for ((i = 0; i < MANY; i++)); do echo "link set p$i up"; done | ip -n crowd -batch -
}
# passes_to N UNTIL - wait until N ports are up; nfvd must respond to others meanwhile, so that the change is seen in
# steps, unless it takes less than half a second in all
passes_to()
{
	local n=-1 between=0 start

	start=$(now_ms)
	while [ "$n" != "$1" ]; do
		[ $SECONDS -lt "$2" ] || { echo "still $n"; return 1; }
		n=$(up)
		[ "$n" = 0 ] || [ "$n" = $MANY ] || between=$((between + 1))
	done
	[ $between -gt 0 ] || [ $(($(now_ms) - start)) -lt 500 ] || { echo "nobody was heard meanwhile"; return 1; }
}
# mirrored_in COMMAND... - sets $TOOK, in ms
mirrored_in() { local start; start=$(now_ms); nfvctl mirror add m from "$@" to probe >/dev/null && TOOK=$(($(now_ms) - start)) && nfvctl mirror remove m >/dev/null; }

together()
{
	local one names

	CONF=$WORK/crowd keep
	devices
	for ((i = 0; i < MANY; i++)); do nfvctl attach veth m$i dev m$i >/dev/null; done
	check "keep: $MANY containers" wait_for '[ "$(up)" = $MANY ]' 20
	nfvctl attach kvm probe >/dev/null
	check "keep: one of them is mirrored" mirrored_in m0
	one=$TOOK
	names=$(printf 'm%s,' $(seq 0 $((MANY - 1))))
	check "keep: all of them are mirrored" mirrored_in "${names%,}"
	check "keep: which takes no longer than a few of them" [ "$TOOK" -lt $((10 * one + 300)) ]
	kill -STOP "$NFVD_PID"
	ip netns del crowd
	wait_for '! ip link show m0' 20
	kill -CONT "$NFVD_PID"
	check "keep: all go together, and others are heard" passes_to 0 $((SECONDS + 60))
	kill -STOP "$NFVD_PID"
	devices
	kill -CONT "$NFVD_PID"
	check "keep: all come together, and others are heard" passes_to $MANY $((SECONDS + 60))
	killed
}

# --- disks ---------------------------------------------------------------------------

disks()
{
	local full=$WORK/full n=0

	stop_nfvd
	mkdir "$full"
	mount -t tmpfs -o size=64k,mode=700 tmpfs "$full"
	start_nfvd --config-dir "$full"
	dd if=/dev/zero of="$full/ballast" bs=4k 2>/dev/null
	check_fails "keep: on a full disk an attach is refused" nfvctl attach kvm full1
	check "keep: with the reason" grep -q "No space left" <(nfvctl attach kvm full1 2>&1)
	check "keep: and leaves nothing" has ""
	check "keep: no socket either" [ ! -e "$STATE/full1.sock" ]
	rm "$full/ballast"
	check "keep: with room again it works" nfvctl attach kvm full1
	mount -o remount,ro "$full"
	check_fails "keep: on a read-only disk a detach is refused" nfvctl detach full1
	check "keep: and is not done" has full1
	mount -o remount,rw "$full"
	for n in {1..15}; do
		nfvctl link-local "$( ((n % 2)) && echo drop || echo forward)" >/dev/null
	done
	check "keep: ten generations stay" [ "$(find "$full" -name 'config-*' | wc -l)" = 10 ]
	stop_nfvd
	umount "$full"
}

# broken NAME COMMAND... - COMMAND damages the newest file; nfvd must use the one before, and doctor must report it.
broken()
{
	local name=$1 file

	shift
	keep
	has c1 >/dev/null || fail "keep: before $name"
	nfvctl attach kvm extra >/dev/null
	stop_nfvd
	file=$(youngest)
	"$@" "$file"
	keep
	check "keep: $name: the generation before counts" has c1
	check "keep: $name: doctor says so" sh -c "'$NFVCTL' doctor | grep -q '${file##*/}'"
	check "keep: $name: what follows is kept" nfvctl attach kvm after
	killed
	keep
	check "keep: $name: over a kill, too" has after c1
	nfvctl detach after >/dev/null
	stop_nfvd
	rm -f "$file"
}

cut_short() { truncate -s 40 "$1"; }
made_empty() { : >"$1"; }
made_foreign() { echo '{"hello": 1}' >"$1"; }
made_newer() { jq '.version = 99' "$1" >"$WORK/newer" && cat "$WORK/newer" >"$1"; }
for_others() { chmod 666 "$1"; }
of_another() { chown 65534 "$1"; }
a_link() { mv "$1" "$WORK/elsewhere" && ln -s "$WORK/elsewhere" "$1"; }
a_fifo() { rm "$1" && mkfifo "$1"; }
a_path() { jq '.ports += [{type: "kvm", name: "../../etc/x"}]' "$1" >"$WORK/path" && cat "$WORK/path" >"$1"; }

# --- killed between any two system calls -----------------------------------------------

# killed_at CALL N - kill nfvd when it makes the Nth such call after it is ready; acknowledged changes must not be lost.
killed_at()
{
	local call=$1 nth=$2 said='' tracer

	keep
	strace -qq -f -p "$NFVD_PID" -e trace="$call" -e inject="$call:signal=KILL:when=$nth" -o /dev/null 2>/dev/null &
	tracer=$!
	# A thread of nfvd's own may make the Nth call before it is seen that strace attached.
	wait_for "grep -q 'TracerPid:.[1-9]\|State:.Z' /proc/$NFVD_PID/status" 30 ||
		fail "keep: strace" "does not attach"
	for name in a b; do
		timeout 10 "$NFVCTL" attach kvm "$name" >/dev/null 2>&1 && said="$said $name"
	done
	# If nfvd still runs, it has made fewer than N such calls.
	if nfvctl show >/dev/null 2>&1; then
		kill -KILL "$tracer"
		wait "$tracer" 2>/dev/null
		stop_nfvd
		keep
		for name in a b; do nfvctl detach "$name" >/dev/null 2>&1; done
		stop_nfvd
		return 1
	fi
	kill -KILL "$tracer" 2>/dev/null
	wait "$tracer" "$NFVD_PID" 2>/dev/null
	NFVD_PID=
	keep
	for name in $said c1; do
		nfvctl show "$name" >/dev/null 2>&1 || lost="$lost $call:$nth:$name"
	done
	for name in a b; do nfvctl detach "$name" >/dev/null 2>&1; done
	stop_nfvd
	points=$((points + 1))
}

restarts
heals
numbers
stop_nfvd
together
disks
for spoil in cut_short made_empty made_foreign made_newer for_others of_another a_link a_fifo a_path; do
	broken "a file ${spoil//_/ }" $spoil
done
points=0 lost=''
for call in unlinkat openat write fsync renameat close; do
	for nth in 1 2 3 4 5 6; do
		killed_at "$call" "$nth" || break
	done
done
check "keep: killed at $points system calls, nothing acknowledged is lost" [ -z "$lost" ] || echo "  $lost"
check "keep: at a dozen of them at least" [ "$points" -ge 12 ]
finish
