#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# observe.sh [BUILD] - what seeing costs: metrics, and captures. nfvd's worker is alone on core 1; nfvd's other threads, the
# generator, who scrapes and who captures share core 0, if the machine has no other.
#
#	export-N	ms of a scrape of N ports, 10 a second, half of them with a guest; nfvd_beside_frames: beside the next case
#	delay-N		us, the 99.9th percentile of the delays of frames between two of N ports, 100000 a second, beside a scraper
#			at 10 Hz; not-scraped: without. figures: the longest, and when it was; how many came after 100 us and more; were
#			not there by then for certain; were lost; how often the generator woke up so late; worker rounds of
#			131 us and more; ms for which the worker was ready to run, and something else ran
#	vm-vm-64	Mpps of 64-byte frames between two guests of which both were captured before; never-captured: an
#			nfvd that has seen no capture
#	vm-vm-64-ratio	the same by pairs of samples: after a capture, over never-captured
#	capture-1mpps	frames lost of a million a second, 128 bytes, while their port is captured at 128 bytes each;
#			not-captured: without. figures: frames that nfvd took, that the file has, that nfvctl says
#			it missed, and that neither explains; that were offered and not sent, for nfvd had too many already
#
#	ROUNDS=5 SECONDS_PER_SAMPLE=2 PORTS=256
#
# Samples: BUILD/bench/raw-observe.jsonl; medians: BUILD/bench/observe.json and a table.
set -eu -o pipefail
cd "$(dirname "$0")/../.."
. tests/bench/lib.sh
. tests/bench/many.sh
case ${1:-} in -*) echo "usage: tests/bench/observe.sh [BUILD]" >&2; exit 2 ;; esac
BUILD=$(realpath "${1:-${BUILD:-build}}")
ROUNDS=${ROUNDS:-5} SECONDS_PER_SAMPLE=${SECONDS_PER_SAMPLE:-2} PORTS=${PORTS:-256}
cost_rounds=$((4 * ROUNDS))
[ -z "$SMOKE" ] || PORTS=16 cost_rounds=1
raw=$BUILD/$RESULTS/raw-observe.jsonl
work=$(mktemp -d /dev/shm/observe.XXXXXX)
at=127.0.0.1:9477
# Other work on the machine, which is none of nfvd's, is to weigh little.
nfvd_by=(nice -n -20)
trap 'stop_many; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# where /proc has the worker
worker() { local task; for task in "/proc/$nfvd_pid/task"/*; do [ "$(<"$task/comm")" != nfvd-worker ] || echo "$task"; done; }
# isolated N - nfvd with N ports; its worker runs before all else, as it would on a core of its own. So that the kernel gives
# nobody else a share of that core all the same, it polls for a few us only, and sleeps.
isolated()
{
	start_many "$1" --spin-us 10
	chrt -f -p 1 "$(basename "$(worker)")"
}

# --- scrapes beside frames ----------------------------------------------------------------

pace() { "$BUILD/tests/bench/vupace" --a "$work/nfvd/a.sock" --b "$work/nfvd/b.sock" --size 128 --seconds "$SECONDS_PER_SAMPLE" --cpu 0 --fifo "$@"; }
scrape_start() { taskset -c 0 tests/bench/scrape.py $at 10 >"$work/scraped" & scraper=$!; }
# scrape_end WHO
scrape_end()
{
	kill "$scraper"
	wait "$scraper"
	jq -ce --arg case "export-$PORTS" --arg who "$1" '{$case, $who, unit: "ms", value: (.ms | sort[length / 2 | floor]),
		figures: {longest_ms: (.ms | max), series, bytes, asked: (.ms | length), repeated}, ms}' "$work/scraped" >>"$raw"
}
# ms for which the worker was ready to run, and something else ran
waited() { awk '{ print $2 / 1e6 }' "$(worker)/schedstat"; }
rounds_long() { nfvctl -j stats | jq '[.workers[].rounds[8:][]] | add'; }

# delays WHO
delays()
{
	local line long wait

	say "round $round of $ROUNDS: $1"
	long=$(rounds_long) wait=$(waited)
	[ "$1" != nfvd ] || scrape_start
	line=$(pace --rate 100000 --tick-us 50)
	[ "$1" != nfvd ] || scrape_end nfvd_beside_frames
	jq -ce --arg case "delay-$PORTS" --arg who "$1" --argjson long $(($(rounds_long) - long)) --argjson wait "$(jq -n "$(waited) - $wait")" '{$case, $who, unit: "us", value: .delay.p999_us,
		figures: {max_us: .delay.max_us, max_at_s: .delay.max_at_s, late: .delay.late, missing: .delay.missing, lost, generator_late: .tick.late,
			rounds_131us: $long, worker_waited_ms: $wait}, vupace: .}' <<<"$line" >>"$raw"
}

export_alone()
{
	scrape_start
	sleep "$SECONDS_PER_SAMPLE"
	scrape_end nfvd
}

scrapes()
{
	isolated "$PORTS"
	taskset -c 0 "$BUILD/ctl/nfvctl" --state-dir "$work/nfvd" export --listen $at >"$work/export.log" 2>&1 &
	pids+=($!)
	await 10 grep -q '^metrics at' "$work/export.log"
	for ((round = 1; round <= ROUNDS; round++)); do
		export_alone
		if ((round % 2)); then
			delays nfvd; delays not-scraped
		else
			delays not-scraped; delays nfvd
		fi
	done
	stop_many
}

# --- captures that are over ---------------------------------------------------------------

gen() { nice -n -20 "$BUILD/tests/bench/vugen" --a "$work/nfvd/a.sock" --b "$work/nfvd/b.sock" --size 64 --cpu 0 "$@"; }
# captured PORT... : until $capture is killed
captured()
{
	taskset -c 0 "$BUILD/ctl/nfvctl" --state-dir "$work/nfvd" capture "$@" 2>"$work/captured" &
	capture=$!
	await 10 begun
}
begun() { nfvctl -j events | jq -e --arg pid "pid $capture " '[.events[] | select(.kind == "capture")] | last | .text | contains($pid) and (contains("ended") | not)'; }
capture_end() { kill "$capture"; wait "$capture" || die "$(<"$work/captured")"; }

# cost WHO
cost()
{
	start_many 2
	[ "$1" != nfvd ] || captured a b -w /dev/null
	gen --seconds 0.3 --warmup 0 >/dev/null
	[ "$1" != nfvd ] || capture_end
	gen --seconds 1 --warmup 0.3 >"$work/line"
	jq -ce --arg who "$1" '{case: "vm-vm-64", $who, unit: "Mpps", value: .mpps, idle}' "$work/line" >>"$raw"
	stop_many
}

costs()
{
	for ((round = 1; round <= cost_rounds; round++)); do
		say "round $round of $cost_rounds: after a capture, and without one"
		if ((round % 2)); then
			cost nfvd; cost never-captured
		else
			cost never-captured; cost nfvd
		fi
		jq -sce --arg case vm-vm-64-ratio '[.[] | select(.case == "vm-vm-64")][-2:] | map({(.who): .value}) | add |
			{$case, who: "nfvd", unit: "ratio", value: (.nfvd / .["never-captured"])}' "$raw" >>"$raw"
	done
}

# --- captures -----------------------------------------------------------------------------

took() { nfvctl -j stats | jq '.ports[] | select(.name == "a").rx_frames'; }
in_file() { capinfos -c -M "$1" | awk '/Number of packets/ { print $NF }'; }
settled() { local was; was=$(took); sleep 0.3; [ "$(took)" = "$was" ]; }

# lossless WHO
lossless()
{
	local line n file=0 missed=0

	say "round $round of $ROUNDS: 1 Mpps, $1"
	n=$(took)
	[ "$1" != nfvd ] || captured a --from -s 128 -w "$work/file"
	line=$(pace --rate 1000000 --tick-us 100)
	await 10 settled
	n=$(($(took) - n))
	if [ "$1" = nfvd ]; then
		capture_end
		file=$(in_file "$work/file")
		missed=$(sed -n 's/.* captured, \([0-9]*\) missed.*/\1/p' "$work/captured")
		rm "$work/file"
	fi
	jq -ce --arg who "$1" --argjson took $n --argjson file "$file" --argjson missed "$missed" '{case: "capture-1mpps", $who, unit: "frames lost",
		value: .lost, figures: ({taken: $took, held, sent_mpps: (.sent / .seconds / 1e6), max_us: .delay.max_us} + if $who == "nfvd" then
			{$file, $missed, unexplained: ($took - $file - $missed)} else {} end), vupace: .}' <<<"$line" >>"$raw"
}

captures()
{
	isolated 2
	for ((round = 1; round <= ROUNDS; round++)); do
		if ((round % 2)); then
			lossless nfvd; lossless not-captured
		else
			lossless not-captured; lossless nfvd
		fi
	done
	stop_many
}

mkdir -p "$BUILD/$RESULTS"
: >"$raw"
scrapes
costs
captures
report "$raw" "$BUILD/$RESULTS/observe.json" --command "make bench-observe (ROUNDS=$ROUNDS SECONDS_PER_SAMPLE=$SECONDS_PER_SAMPLE PORTS=$PORTS)" \
	--note "vupace, SCHED_FIFO on core 0, where nfvd's control, who scrapes and who captures are, too; the worker on core 1; captures into /dev/shm"
