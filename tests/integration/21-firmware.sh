#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# limit: 300
# alone
#
# Boot from the network: iPXE, QEMU's option ROM, which posts 8 receive buffers. DHCP and files by HTTP from a container,
# through nfvd, and then the same through a bridge and a tap, which has a queue of 1000 packets.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"

ROM=/usr/lib/ipxe/qemu/pxe-virtio.rom
for need in "$ROM" "$(command -v qemu-system-x86_64)" "$(command -v python3)" "$(command -v busybox)"; do
	[ -e "$need" ] || { skip "firmware" "ipxe-qemu, qemu-system-x86, python3 and busybox"; exit 0; }
done

FETCHES=4

serve()
{
	mkdir -p "$WORK/www"
	head -c 20M /dev/urandom >"$WORK/www/big"
	echo >"$WORK/www/done"
	{
		echo '#!ipxe'
		for ((i = 0; i < FETCHES; i++)); do
			echo 'imgfetch http://10.0.0.1/big && imgfree'
		done
		echo 'imgfetch http://10.0.0.1/done'
	} >"$WORK/www/boot.ipxe"
	cat >"$WORK/udhcpd.conf" <<-END
		interface eth0
		start 10.0.0.50
		end 10.0.0.60
		boot_file http://10.0.0.1/boot.ipxe
		option subnet 255.255.255.0
		lease_file $WORK/leases
		pidfile $WORK/udhcpd.pid
	END
	touch "$WORK/leases"
	in_ns c1 busybox udhcpd -f "$WORK/udhcpd.conf" >"$WORK/udhcpd.log" 2>&1 &
	cat >"$WORK/serve.py" <<-'END'
		import http.server, os, time
		class Handler(http.server.SimpleHTTPRequestHandler):
		    def log_message(self, form, *args):
		        print(int(time.monotonic() * 1000), self.path, flush=True)
		os.chdir("/run/test/www")
		http.server.HTTPServer(("", 80), Handler).serve_forever()
	END
	in_ns c1 python3 "$WORK/serve.py" >>"$WORK/http" 2>"$WORK/http.log" &
	wait_for 'ss -N c1 -Hltn "sport = :80" | grep -q LISTEN' 10
}

# boot OPTION...: start QEMU with these network options, wait for the last request, set FETCH_MS to the shortest fetch.
boot()
{
	local pid status=0

	: >"$WORK/http"
	qemu-system-x86_64 -M q35 -accel tcg -m 256 -nodefaults -display none -no-reboot "$@" \
		-device virtio-net-pci,netdev=net,vectors=0,bootindex=1 -serial "file:$WORK/serial.log" -device sga \
		</dev/null >"$WORK/qemu.log" 2>&1 &
	pid=$!
	wait_for "grep -q /done $WORK/http || ! kill -0 $pid" 100
	kill $pid
	wait $pid 2>/dev/null
	grep -q /done "$WORK/http" || status=1
	FETCH_MS=$(awk '/done/ || /big/ { if (last) { took = $1 - last; if (!least || took < least) least = took } last = $1 } END { print least + 0 }' "$WORK/http")
	cat "$WORK/http"
	return $status
}

by_nfvd()
{
	nfvctl attach veth c1 dev veth-c1 >/dev/null
	nfvctl attach kvm vm1 >/dev/null
	boot -object memory-backend-memfd,id=mem,size=256M,share=on -machine memory-backend=mem \
		-chardev "socket,id=net,path=$STATE/vm1.sock,reconnect=1" -netdev vhost-user,id=net,chardev=net
}

by_tap()
{
	nfvctl detach c1 >/dev/null
	nfvctl detach vm1 >/dev/null
	ip link set veth-c1 master br0
	boot -netdev tap,id=net,ifname=tap0,script=no,downscript=no
	local status=$?
	ip link set veth-c1 nomaster
	return $status
}

# The machine's speed varies: try up to three times, and compare the shortest times.
compared()
{
	local nfvd=$FETCH_MS tap=

	for _ in 1 2 3; do
		by_tap || return
		[ -n "$tap" ] && [ "$tap" -lt "$FETCH_MS" ] || tap=$FETCH_MS
		echo "# 20 MB by HTTP: through nfvd $nfvd ms, through a tap $tap"
		[ "$nfvd" -gt $((2 * tap)) ] || return 0
		by_nfvd || return
		[ "$nfvd" -lt "$FETCH_MS" ] || nfvd=$FETCH_MS
	done
	return 1
}

tcp() { in_ns c1 nstat -asz "$1" | awk -v name="$1" '$1 == name { print $2 }'; }

mk_container c1 10.0.0.1/24
ip link add br0 type bridge
ip link set br0 up
ip tuntap add tap0 mode tap
ip link set tap0 master br0 up
start_nfvd
check "firmware: a server in a container" serve
check "firmware: boots through nfvd" by_nfvd
check "firmware: of what TCP sent less than one in 100 was lost" [ $(($(tcp TcpRetransSegs) * 100)) -lt "$(tcp TcpOutSegs)" ]
check "firmware: nothing that waited is left" wait_for conserved 5
check "firmware: takes at most twice as long as through a tap" compared
grep '^#' "$WORK/output"
finish
