#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Messages: why a port is not up and the command that helps; nfvd's about its options; nfvctl's about nfvd.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"

PATH=$(dirname "$NFVCTL"):$PATH
hint() { nfvctl -j show "$1" | jq -r '.ports[].hint // empty'; }
why() { nfvctl -j show "$1" | jq -r '.ports[].why // empty'; }

# helps PORT WORDS: the port is not up, with a reason that contains these words; its hint brings it up.
helps()
{
	local port=$1 words=$2 command

	check "$port: $words" wait_for "grep -q \"$words\" <(why $port)" 5
	command=$(hint "$port")
	check "$port: $command" eval "$command"
	check "$port: up, with nothing to say" wait_for "state_is $port up && [ -z \"\$(why $port)\" ]" 5
}

ports()
{
	local output

	mk_container c1 10.0.0.1/24
	ip -n c1 link set eth0 down
	output=$(nfvctl attach veth c1 dev eth0 netns c1)
	check "attach: says why it is down" grep -q "^c1: veth attached .*, down: the container's end of its device is down$" <<<"$output"
	check "attach: and the command" grep -qx "  try: ip -n c1 link set dev eth0 up" <<<"$output"
	check "show: says so, too" grep -q "^c1 .*down.*the container's end of its device is down" <(nfvctl show)
	helps c1 "container's end"
	check "show: no column for it where all are up" [ -z "$(nfvctl show | grep WHY)" ]
	ip link set veth-c1 down
	helps c1 "device is set down"
	ip link add br0 type bridge
	ip link set veth-c1 master br0
	helps c1 "bridge"

	# A namespace given by a process; and a name that a shell must quote.
	mk_container c2 10.0.0.2/24
	ip netns exec c2 sleep 1000 &
	check "a process in c2" wait_for "[ \$(readlink /proc/$!/ns/net) != $(readlink /proc/$$/ns/net) ]" 5
	ip -n c2 link set eth0 down
	nfvctl attach veth c2 dev eth0 pid $! >/dev/null
	helps c2 "container's end"
	mk_container c3 10.0.0.3/24
	ip -n c3 link set eth0 down
	ip -n c3 link set eth0 name 'e$(id)'
	nfvctl attach veth c3 dev 'e$(id)' netns c3 >/dev/null
	check "c3: what a container calls its device is no command" [ "$(hint c3)" = "ip -n c3 link set dev DEVICE up" ]
	nfvctl detach c3 >/dev/null

	output=$(nfvctl attach kvm vm1)
	check "kvm: waits for a guest" grep -q ", waiting at $STATE/vm1.sock: no guest has connected" <<<"$output"
	check "kvm: and how to start one" grep -q "  try: qemu-system-x86_64 .*path=$STATE/vm1.sock,reconnect=1 " <<<"$output"
	check "kvm: attach -j is one object" [ "$(nfvctl -j attach kvm vm2 mode client socket "$WORK/none.sock" | wc -l)" = 1 ]
	check "kvm: nobody listens" grep -q "nobody listens" <(why vm2)
	nfvctl detach vm1 >/dev/null
	nfvctl detach vm2 >/dev/null
}

# Totals do not decrease when a port is detached, or another takes its place.
counters()
{
	local rx tx

	for n in 4 5 6; do
		mk_container c$n 10.0.0.$n/24
		nfvctl attach veth c$n dev veth-c$n >/dev/null
	done
	in_ns c4 ping -q -c 300 -i 0.002 10.0.0.5 >/dev/null
	check "counters: the shortcut is used" wait_for "nfvctl -j ledger | jq -e 'any(.pairs[]; .shortcut_frames > 200)'" 5
	rx=$(stat_of c4 rx_frames) tx=$(stat_of c4 tx_frames)
	nfvctl detach c5 >/dev/null
	check "counters: rx is not less after another's detach" [ "$(stat_of c4 rx_frames)" -ge "$rx" ]
	check "counters: nor is tx" [ "$(stat_of c4 tx_frames)" -ge "$tx" ]
	check "counters: nothing is missing" wait_for conserved 5
	nfvctl attach veth c5 dev veth-c5 >/dev/null
	check "counters: nor when it comes again" [ "$(stat_of c4 rx_frames)" -ge "$rx" -a "$(stat_of c4 tx_frames)" -ge "$tx" ]
	check "counters: which has none of before" [ "$(stat_of c5 rx_frames)" -lt 200 -a "$(stat_of c5 tx_frames)" -lt 200 ]
	nfvctl detach c4 >/dev/null
	nfvctl attach kvm c4 >/dev/null
	check "counters: nor has one of the same name and place" [ "$(stat_of c4 rx_frames)" = 0 -a "$(stat_of c4 tx_frames)" = 0 ]
	check "counters: nothing is missing" wait_for conserved 5
}

names()
{
	local name

	for name in help all time since on off; do
		check "name '$name': refused" grep -q "bad name.*no word of nfvctl" \
			<(echo '{"jsonrpc":"2.0","id":1,"method":"port.attach","params":{"type":"kvm","name":"'$name'"}}' | socat -t 2 - "UNIX-CONNECT:$STATE/ctl.sock")
		check_fails "name '$name': by nfvctl, too" nfvctl attach kvm $name queues 1
	done
	check "name 'helper' is one" nfvctl attach kvm helper
	nfvctl detach helper >/dev/null
}

# refused WORDS OPTION...: nfvd does not start, prints one line that contains these words, and exits with status 2
refused()
{
	local words=$1 status=0

	shift
	timeout 20 "$NFVD" --state-dir "$WORK/none" "$@" >"$WORK/out" 2>&1 || status=$?
	if [ $status = 2 ] && head -n 1 "$WORK/out" | grep -q -- "$words" && ! grep -q "Invalid argument" "$WORK/out"; then
		pass "nfvd $*: $words"
	else
		fail "nfvd $*: $words" "status $status" "$(cat "$WORK/out")"
	fi
}

options()
{
	local option value

	refused "--cpus: cannot run on CPU 1000" --cpus 1000
	refused "--cpus names more than the 1 worker" --cpus 0,0
	for value in "" a 1,,0 , 0, -1 99999 0x1 "0 "; do
		refused "--cpus must be a number from 0 to 1023, not" --cpus "$value"
	done
	for value in 0 17 "" a -1 1.5 99999999999999999999; do
		refused "--workers must be a number from 1 to 16, not '$value'" --workers "$value"
	done
	for value in -1 1000001 "" 5us; do
		refused "--spin-us must be a number from 0 to 1000000, not '$value'" --spin-us "$value"
	done
	for value in "" run ./run; do
		refused "--state-dir is an absolute path, not '$value'" --state-dir "$value"
	done
	refused "what is 'start'" start
	refused "nosuch" --nosuch
	for option in --cpus --workers --spin-us --state-dir; do
		refused "requires an argument" $option
	done
	check "nfvd: none of it has made a folder" [ ! -e "$WORK/none" ]
}

# Log lines have levels only for the journal, which announces itself by an environment variable.
log_lines()
{
	check "log: no levels in a file" [ -z "$(grep '^<' "$NFVD_LOG")" ]
	check "log: but lines" grep -q "^nfvd: .*ready" "$NFVD_LOG"
	: >"$WORK/journal"
	JOURNAL_STREAM=$(stat -c %d:%i "$WORK/journal") "$NFVD" --state-dir "$WORK/journalled" 2>>"$WORK/journal" &
	check "log: levels in the journal" wait_for "grep -q '^<5>nfvd: .*ready' $WORK/journal" 20
	kill -TERM $!
	wait $!
	JOURNAL_STREAM=1:1 "$NFVD" --state-dir "$WORK/journalled" 2>"$WORK/other" &
	check "log: not where standard error leads elsewhere" wait_for "grep -q '^nfvd: .*ready' $WORK/other" 20
	kill -TERM $!
	wait $!
}

version_of()
{
	check "version: with nfvd" grep -q "^nfvctl [0-9.]*, nfvd [0-9]" <(nfvctl version)
	cp "$NFVCTL" "$WORK/nfvctl"	# other users may not be able to read the build
	chmod 755 "$WORK" "$WORK/nfvctl"
	nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups "$WORK/nfvctl" "$@"; }
	chmod 755 $STATE
	check "version: somebody else may not ask, and is told so" grep -q "nfvd unknown: .*Permission denied" <(nobody version)
	check "version: and what helps" grep -q "  try: sudo nfvctl" <(nobody version)
	check "version: with -j" jq -e '.nfvd == null and (.nfvd_error | endswith("Permission denied"))' <(nobody -j version)
	chmod 700 $STATE
	stop_nfvd
	check "version: without nfvd" grep -q "nfvd not running$" <(nfvctl version)
	check "version: with -j" [ "$(nfvctl -j version | jq -c '[.nfvd, has("nfvd_error")]')" = '[null,false]' ]
}

# doctor's commands can be pasted, and fit this host.
doctor()
{
	local long

	long=$WORK/$(printf 's%.0s' {1..90})
	nfvctl attach kvm vm1 socket "$long" >/dev/null
	rm "$long"
	check "doctor: a command is whole" grep -qE " (rm|ls|mv|nfvctl) .*$long( |\$)" <(nfvctl doctor)
	nfvctl detach vm1 >/dev/null
	if [ -e /proc/modules ] || [ -e /dev/nfv ]; then
		skip "doctor: no module for a kernel that loads none" "such a kernel"
	else
		check "doctor: no module for a kernel that loads none" [ -z "$(nfvctl doctor | grep 'make module')" ]
	fi
}

start_nfvd
ports
doctor
counters
names
options
log_lines
version_of
finish
