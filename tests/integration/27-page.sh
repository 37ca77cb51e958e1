#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The Cockpit page in Chromium, as an administrator and as a user who may only read, while containers send traffic.
# tests/page/drive.js acts as the user; its screenshots are in $BUILD/page.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"

for tool in node chromium /usr/lib/cockpit/cockpit-ws cockpit-bridge iperf3; do
	command -v $tool >/dev/null || { skip "page" "$tool"; finish; }
done
MODULES=$(NFV_PREPARED=yes "$TOP/tests/page/fetch-playwright.sh") || { skip "page" "playwright-core, which tests/prepare gets"; finish; }

KVMS=200

# cockpit PORT COMMAND... - run Cockpit with the page, as the user to which COMMAND switches from root
cockpit()
{
	local port=$1

	shift
	env XDG_DATA_DIRS="$WORK/usr/share:/usr/share" HOME="$WORK" "$@" /usr/lib/cockpit/cockpit-ws --no-tls --port "$port" \
		--address 127.0.0.1 --local-session=/usr/bin/cockpit-bridge >>"$WORK/cockpit.log" 2>&1 &
}

# Groups and folders of this mount namespace.
host()
{
	cp /etc/group "$WORK/group"
	printf 'nfv-read:x:4101:\n' >>"$WORK/group"
	mount --bind "$WORK/group" /etc/group
	cp /etc/passwd "$WORK/passwd"
	printf '%s:x:%d:%d::/:/bin/sh\n' rita 4201 4201 nora 4202 4202 >>"$WORK/passwd"
	mount --bind "$WORK/passwd" /etc/passwd
	mkdir -p -m 700 "$WORK/kept"
	chmod 755 "$WORK"
	make -s -C "$TOP" BUILD="$BUILD" install-files prefix="$WORK/usr"
}

# Make results of nfvctl bench, and a report of bench draft as on a host with KVM.
results()
{
	mkdir "$WORK/results"
	cp "$TOP/tests/page/draft.json" "$WORK/results"
	nfvctl bench matrix time 1 save "$WORK/results/matrix.json"
}

check "page: it is installed" host || finish
start_nfvd --keep --config-dir "$WORK/kept"
for i in 1 2 3 4 5; do
	mk_container c$i 10.0.0.$i/24
	ip netns exec c$i iperf3 -s >/dev/null 2>&1 &
done
attach() { nfvctl attach veth "$1" dev "veth-$1" >/dev/null; }
attach c1 && attach c2 || fail "page: containers"
check "page: results of bench" results
# This is a valid name of a device.
ip link add '<hr>' type veth peer name peer && nfvctl attach netdev odd dev '<hr>' >/dev/null || fail "page: an odd device"
attach c3 && attach c4 || fail "page: containers"
for ((i = 1; i <= KVMS; i++)); do nfvctl attach kvm "vm$i"; done >/dev/null
cockpit 9090
cockpit 9091 setpriv --reuid 4201 --regid 4201 --groups 4101
cockpit 9092 setpriv --reuid 4202 --regid 4202 --clear-groups
for port in 9090 9091 9092; do
	wait_for "socat -u /dev/null TCP:127.0.0.1:$port" 20 || fail "page: Cockpit listens at $port"
done

mkdir -p "$BUILD/page"
stop_nfvd	# the page's driver starts it, and again
NODE_PATH=$MODULES NFVD=$NFVD NFVCTL=$NFVCTL WORK=$WORK SHOTS=$BUILD/page KVMS=$KVMS \
	timeout -k 5 600 node "$TOP/tests/page/drive.js" || FAILED=$((FAILED + 1))
finish
