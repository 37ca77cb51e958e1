#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# nfvctl bench draft with a Xen guest, once through nfvd and once through a bridge: the shape of its result,
# the reason if a guest does not run, and that it leaves nothing behind, even if interrupted. No speeds.
# boot
# kernel: 6.1
. "$(dirname "$0")/../lib.sh"
. "$TOP/tests/integration/lib/draft.sh"

scripts=$TOP/tools/guests/draft
xen_start "$@"
domu_none

cp "$TOP/tools/xen/vif-nfv" /etc/xen/scripts/
domains() { xl list | awk 'NR > 1 { print $1 }'; }
traces() { domains; ip -o link | awk -F '[ :@]+' '{ print $2 }'; ls -d /run/nfv-draft/*; losetup --list --noheadings; }
nothing_left() { wait_for '[ "$(traces 2>/dev/null)" = "$TRACES" ]' 20 || { traces; return 1; }; }

# Use Debian's small kernel and the domU's initramfs as a technology, because they need no build.
fake()
{
	mkdir -p "$WORK/guests/draft"
	cp "$scripts/lib.sh" "$scripts/report.py" "$WORK/guests/draft/"
	cat >"$WORK/guests/draft/$1" <<-EOT
	#!/usr/bin/env bash
	. "\$(dirname "\$0")/lib.sh"
	case \$1 in
	image) describe_xen 160 3 20 $DOMU_INITRD ;;
	command)
		xen_config "\$2" "\$4" "\$5" "\$6" "\$7" $DOMU_KERNEL "console=hvc0 quiet panic=-1 $2" "ramdisk = '$DOMU_INITRD'"
		printf '%s\n' xl create -Fcq "\$2/xen.cfg"
		;;
	esac
	EOT
	chmod +x "$WORK/guests/draft/$1"
}

export NFV_GUESTS=$WORK/guests
fake tinyx.xen nfv.ip=10.77.0.2/24
fake standardvm.xen rdinit=/nothing
modprobe -q xen-netback
bench --only tinyx.xen --measure rtt >/dev/null 2>&1
check "without the module: says so" query '"nfv.ko is not loaded" in row("rtt", "tinyx.xen")["note"]'
check "nfv.ko comes" load || finish
TRACES=$(traces 2>/dev/null)

check "one run of a guest" bench --only tinyx.xen --measure instantiation,rtt --runs 1
check "nothing failed" query '"errors" not in t["tinyx.xen"] and "reason" not in t["tinyx.xen"]'
check "with nfvd, and with xen-netback and a bridge" query \
	'sorted(s["way"] for s in t["tinyx.xen"]["samples"]["instantiation"]) == ["bridge", "nfvd"]'
check "it took time" query 'all(s["total_ms"] > 0 for s in t["tinyx.xen"]["samples"]["instantiation"])'
check "round trips" query 'all(0 < s["min"] <= s["avg"] <= s["max"] for s in t["tinyx.xen"]["samples"]["rtt"])'
check "labelled, and compared with nothing" query \
	'row("rtt", "tinyx.xen")["note"] == "emulated" and "published_ms_ratio" not in row("rtt", "tinyx.xen")'
check "nothing is left" nothing_left

cp "$scripts/foreign.xen" "$WORK/guests/draft/"
check "a foreign kernel" bench --only unikernel.minios.xen --image "unikernel.minios.xen=$NFV_UNIKERNEL" \
	--measure instantiation,throughput,rtt --runs 1 --time 1
check "it has all figures" query '"errors" not in t["unikernel.minios.xen"] and
	all(row(m, "unikernel.minios.xen")[v]["n"] == 1 for m, v in (("throughput", "tx"), ("throughput", "rx"), ("rtt", "avg")))'
check "nothing is left of it" nothing_left

check_fails "a guest that does not boot: the status says so" bench --only standardvm.xen --measure instantiation --runs 1
check "its row says so" query '"ends instead of running" in row("instantiation", "standardvm.xen")["note"]'
check "nothing is left of it" nothing_left

has_begun() { domains | grep -q '^nfv-draft'; }
rm -f "$OUT/result.json"
"$NFVCTL" bench draft --out "$OUT" --only tinyx.xen --measure instantiation --runs 3 >"$WORK/bench.log" 2>&1 &
pid=$!
check "interrupted: a guest is there" wait_for has_begun 180
kill -TERM $pid
wait $pid
check "interrupted: nothing is left" nothing_left
check "the module can go" unload
finish
