#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# limit: 300
#
# Others on the same device: namespaces with the same numbers, programs and limiters
# beside ours, the host's own use of a device, a second nfvd, one that was killed.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"

FRAME=$BUILD/tests/integration/frame

# refused NAME WORDS ARGUMENT...: nfvctl attach fails, says so in these words, and leaves no port.
refused()
{
	local name=$1 words=$2 output status=0

	shift 2
	output=$(nfvctl attach "$@" 2>&1) || status=$?
	check "$name" [ $status = 1 ]
	check "$name: says so" grep -qi -- "$words" <<<"$output"
	check_fails "$name: leaves no port" nfvctl show "$2"
}

# hint ARGUMENT...: the command that nfvctl names where attach is refused.
hint() { nfvctl attach "$@" 2>&1 | sed -n 's,^ *try: ,,p'; }

# --- which namespace ---------------------------------------------------------------

# A container in a container: its veth ends where another's has the same two numbers.
same_numbers()
{
	local n

	for n in node pod tenant; do
		ip netns add $n
	done
	ip link add vt index 77 type veth peer name eth0 netns tenant
	ip -n node link add vp index 77 type veth peer name eth0 netns pod
	assert '[ "$(ip -n pod -o link show eth0 | cut -d: -f1)" = "$(ip -n tenant -o link show eth0 | cut -d: -f1)" ]' "same numbers"
	refused "same numbers: another's veth is not taken" "other end of 'eth0' is not in nfvd's" veth x dev eth0 netns pod
	check "same numbers: the one that ends here is" nfvctl attach veth x dev eth0 netns tenant
	check "same numbers: it is its own" [ "$(member x dev)" = vt ]
	nfvctl detach x >/dev/null
	ip link add v0 type veth peer name v1
	ln -s /proc/1/ns/net /run/own
	check "both ends here: by the name of the namespace" nfvctl attach veth x dev v1 netns /run/own
	check "both ends here: the other one" [ "$(member x dev)" = v0 ]
	nfvctl detach x >/dev/null
	for n in node pod tenant; do
		ip netns del $n
	done
	ip link del v0
}

# nfvd in a mount namespace of its own sees a file where a namespace was mounted since.
mount_namespace()
{
	local command nfvd

	unshare --mount "$NFVD" --state-dir /run/apart >>"$WORK/apart.log" 2>&1 &
	nfvd=$!
	wait_for "$NFVCTL --state-dir /run/apart show" 15
	ip netns add late
	ip link add veth-late type veth peer name eth0 netns late
	command=$("$NFVCTL" --state-dir /run/apart attach veth late dev eth0 netns late 2>&1)
	check "mount namespace: what is wrong" grep -q "mount namespace" <<<"$command"
	command=$(sed -n 's,^ *try: nfvctl ,,p' <<<"$command")
	# shellcheck disable=SC2086 # a command
	check "mount namespace: what it names helps" "$NFVCTL" --state-dir /run/apart $command
	kill $nfvd
	wait $nfvd
	ip netns del late
}

start_nfvd
same_numbers
mount_namespace
finish
