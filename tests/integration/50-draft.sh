#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# limit: 600
#
# nfvctl bench draft, one run of each available technology: the shape of its
# result, its notes on guests that do not run, and that it leaves nothing behind.

. "$(dirname "$0")/../lib.sh"
. "$TOP/tests/integration/lib/draft.sh"
ns_enter "$@"

FAKE=$WORK/fake

processes() { find /proc -maxdepth 1 -name '[0-9]*' | wc -l; }
# Its folders are in this test's /run. Control groups of other runs may exist, so they are not counted.
traces()
{
	local path

	for path in /run/nfv-draft/* /sys/fs/cgroup/{,*/}nfv-draft.*; do
		[ ! -e "$path" ] || [[ " ${OTHERS[*]} " = *" $path "* ]] || echo "$path"
	done
	ip -o link | cut -d : -f 2
	find /run/netns -mindepth 1
	wc -l </proc/self/mounts
}
nothing_left()
{
	if ! wait_for "[ \$(processes) -le $PROCESSES ]" 5 || [ "$(traces)" != "$TRACES" ]; then
		ps ax
		traces
		return 1
	fi
}

# --- what runs here -----------------------------------------------------------------

measured()
{
	local name names=() why

	for name in container tinyx.kvm unikernel.kvm; do
		if why=$("$TOP/tools/guests/draft/$name" image 2>&1 >/dev/null); then
			names+=("$name")
		else
			fail "draft: $name" "$why"
		fi
	done
	[ ${#names[@]} -gt 0 ] || return
	MEASURED=${names[0]}
	check "draft: ${names[*]}" bench --only "standardvm.xen,$(IFS=,; echo "${names[*]}")" --runs 1 --time 1
	check "draft: complete, and of this host" query 'r["complete"] and r["host"]["kernel"] and r["host"]["cpus"] > 0'
	check "draft: five tables" query 'list(r["tables"]) == ["instantiation", "throughput", "rtt", "image", "memory"]'
	check "draft: Xen has its row" query 'row("rtt", "standardvm.xen")["note"] == "not on a Xen host"'
	for name in "${names[@]}"; do
		one_technology "$name"
	done
	check "draft: a page with a plot per table" [ "$(grep -c '<svg' "$OUT/report.html")" = 5 ]
	check "draft: nothing is left" nothing_left
	cp "$OUT/result.json" "$WORK/measured.json"
}

one_technology()
{
	check "$1: nothing failed" query "'errors' not in t['$1'] and 'reason' not in t['$1']"
	check "$1: all ways were timed" query \
		"sorted(s['way'] for s in t['$1']['samples']['instantiation']) == ['ahead', 'bridge', 'bridge-ahead', 'nfvd']"
	check "$1: its steps are its time" query "all(s['total_ms'] > 0 and abs(s['total_ms'] - s['attach_ms'] -
		s['create_ms'] - s['boot_ms'] - s['network_ms']) < 1 for s in t['$1']['samples']['instantiation'])"
	check "$1: TCP, to it and from it" query \
		"all(s['rx_gbps'] > 0 and s['tx_gbps'] > 0 for s in t['$1']['samples']['throughput'])"
	check "$1: round trips" query "all(0 < s['min'] <= s['avg'] <= s['max'] for s in t['$1']['samples']['rtt'])"
	check "$1: memory" query "t['$1']['samples']['memory'][0]['mb'] > 0"
	check "$1: image" query "all(f['bytes'] > 0 and len(f['sha256']) == 64 for f in t['$1']['image']['files'])"
	check "$1: commands" query "{'bridge', 'nfvd'} <= set(t['$1']['commands'])"
	check "$1: no ratio to a time on other hardware" query "not any(k.endswith('_ratio')
		for table in ('instantiation', 'throughput', 'rtt') for k in row(table, '$1'))"
}

# --- what does not ------------------------------------------------------------------

# fake NAME COMMAND: add a technology with a boot limit of two seconds.
fake()
{
	mkdir -p "$FAKE/draft"
	cat >"$FAKE/draft/$1" <<-EOT
	#!/bin/sh
	case \$1 in
	image) printf 'kind kvm\nemulated no\nmemory 8\niperf 3\nlimit 2\nfile 1 0 /dev/null\n' ;;
	command) printf '%s\n' sh -c '$2' ;;
	esac
	EOT
	chmod +x "$FAKE/draft/$1"
}

note() { query "'$2' in row('instantiation', '$1')['note']"; }

guests_that_do_not_run()
{
	fake standardvm.kvm 'exec sleep 60'
	fake container 'echo hello; exec sleep 60'
	fake tinyx.kvm 'echo no such disk >&2; exit 3'
	fake unikernel.kvm 'trap "" TERM; while :; do sleep 1; done'
	cp "$TOP/tools/guests/draft/report.py" "$FAKE/draft/"
	NFV_GUESTS=$FAKE check_fails "draft: with guests that do not run" bench --runs 1 --measure instantiation
	check "draft: that is not complete" query "not r['complete']"
	check "draft: one that never boots" note standardvm.kvm "does not boot"
	check "draft: one without network" note container "boots, but its network does not respond"
	check "draft: one that ends" note tinyx.kvm "ends instead of running: no such disk"
	check "draft: one that does not end when told" note unikernel.kvm "does not boot"
	check "draft: one that needs an image" note unikernel.osv.kvm "needs --image unikernel.osv.kvm=PATH"
	check "draft: nothing is left of them" nothing_left
	rm "$OUT/result.json"
}

relative() { (cd "$WORK" && bench --only unikernel.osv.kvm --image "unikernel.osv.kvm=$1" --runs 1 --time 1); }

# Use the project's image as a foreign one: nothing is known about it except that it is a kernel.
foreign_image()
{
	local image

	if ! image=$("$TOP/tools/guests/unikernel/build.sh" 2>&1); then
		skip "draft: a foreign kernel" "$(tail -n 1 <<<"$image")"
		return
	fi
	cp "$image" "$WORK/kernel.osv"
	check "draft: a foreign kernel, by a relative path" relative kernel.osv
	one_technology unikernel.osv.kvm
}

# Add rows that another host has measured.
added()
{
	check "added: one row of another result" bench --add "$WORK/measured.json"
	check "added: measured there, and where that was" query "row('rtt', '$1')['avg']['n'] == 1 and 'cpu' in t['$1']['host']"
	check "added: beside those of here" query "row('rtt', 'unikernel.osv.kvm')['avg']['n'] == 1 and 'host' not in t['unikernel.osv.kvm']"
	check_fails "added: what is no result" bench --add /dev/null
}

wrong_images()
{
	echo "no kernel" >"$WORK/no-kernel"
	check_fails "draft: a foreign image that is no kernel" \
		bench --only unikernel.osv.kvm --image "unikernel.osv.kvm=$WORK/no-kernel" --runs 1
	check "draft: says so" note unikernel.osv.kvm "neither a kernel nor a disk"
	rm "$OUT/result.json"
	check_fails "draft: a foreign image that is not there" \
		bench --only unikernel.osv.kvm --image "unikernel.osv.kvm=$WORK/nowhere" --runs 1
	check "draft: says so" note unikernel.osv.kvm "no image $WORK/nowhere: No such file"
	rm "$OUT/result.json"
	check_fails "draft: no such technology" bench --only tinyx
	check_fails "draft: no such measure" bench --measure speed
	check_fails "draft: no such option" bench --onyl container
	check "draft: did you mean" grep -q "unknown argument '--onyl'.*--only" <(bench --onyl container 2>&1)
	check "draft: an option without its value" grep -q "'--runs' needs a value" <(bench --runs 2>&1)
	check "draft: an option twice" grep -q "'--runs' is given twice" <(bench --runs 1 --runs=2 2>&1)
	check "draft: a word that is no option" grep -q "unknown argument 'container'" <(bench container 2>&1)
	check_fails "draft: no such technology to have an image" bench --image "osv=$WORK/no-kernel"
}

json_only() { bench -j --only unikernel.osv.kvm 2>/dev/null | python3 -c 'import json, sys; json.load(sys.stdin)["tables"]["rtt"]'; }

disk_full()
{
	mkdir "$WORK/full"
	mount -t tmpfs -o size=4k,mode=755 tmpfs "$WORK/full"
	"$NFVCTL" bench draft --out "$WORK/full" --only unikernel.osv.kvm,standardvm.xen,tinyx.xen >"$WORK/full.log" 2>&1
	check "draft: no space on the disk" grep 'cannot write result.json.*No space left' "$WORK/full.log"
	umount "$WORK/full"
}

# --- interrupted ----------------------------------------------------------------------

samples() { query "len(t['container']['samples']['instantiation']) >= $1"; }

interrupted()
{
	local pid status=0 args=(bench draft --out "$OUT" --only container --measure instantiation --runs 4)

	rm -f "$OUT/result.json"
	"$NFVCTL" "${args[@]}" >"$WORK/interrupted.log" 2>&1 &
	pid=$!
	check "interrupted: has begun" wait_for "samples 2" 20
	kill -TERM $pid
	wait $pid || status=$?
	check "interrupted: it says that it was not finished" [ $status = 1 ]
	check "interrupted: nothing is left" nothing_left
	check "interrupted: the samples are kept" query "not r['complete'] and len(t['container']['samples']['instantiation']) < 16"
	check_fails "interrupted: not mixed with another" bench --only container --runs 3
	jq '.host.build.sha256[1] = "another"' "$OUT/result.json" >"$WORK/other.json"
	cp "$OUT/result.json" "$WORK/before.json"
	cp "$WORK/other.json" "$OUT/result.json"
	check_fails "interrupted: not mixed with those of another nfvd" "$NFVCTL" "${args[@]}"
	cp "$WORK/before.json" "$OUT/result.json"
	check "interrupted: goes on" timeout 60 "$NFVCTL" "${args[@]}"
	check "interrupted: from where it was" query "r['complete'] and len(t['container']['samples']['instantiation']) == 16 and
		t['container']['samples']['instantiation'][:2] == samples('$WORK/before.json', 'container', 'instantiation')[:2]"
	rm -f "$OUT"/result-*Z.json
	cp "$OUT/result.json" "$WORK/before.json"
	check "interrupted: nothing is left, again" nothing_left
	check "finished: the next run leaves it be" bench --only=container --measure=image
	check "finished: under another name" cmp "$WORK/before.json" "$OUT"/result-*Z.json
}

mkdir -p "$OUT"
OTHERS=(/sys/fs/cgroup/{,*/}nfv-draft.*)
MEASURED= PROCESSES=$(processes) TRACES=$(traces)
measured
guests_that_do_not_run
foreign_image
[ -z "$MEASURED" ] || added "$MEASURED"
wrong_images
check "draft: -j prints one JSON object" json_only
disk_full
[ ! -e /usr/sbin/runc ] || interrupted
finish
