# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2034
#
# For the benches in this folder, on the host or in a machine. SMOKE=1 makes one round of the shortest samples, and
# marks the result: it only checks that the bench works and that its result has the right shape.
SMOKE=${SMOKE:-}
OMIT=2		# s of TCP before each sample, in which it starts; BENCH_OMIT_SECONDS in ctl/bench/bench.h
RESULTS=bench	# in build/; a smoke run overwrites no result
[ -z "$SMOKE" ] || ROUNDS=1 SECONDS_PER_SAMPLE=1 OMIT=0 RESULTS=bench-smoke

die() { echo "${0##*/}: $*" >&2; exit 1; }
say() { printf '[%3d s] %s\n' $SECONDS "$*" >&2; }

# await SECONDS COMMAND... - wait until the command succeeds; if it does not, end the bench.
. "$(dirname "${BASH_SOURCE[0]}")/../wait.sh"
await()
{
	local limit=$1

	shift
	wait_for "$(printf '%q ' "$@")" "$limit" || die "not in time: $*"
}

# Get the number from a program's output, or one line with the error.
gbps() { jq -er 'if .error then error(.error) else .end.sum_received.bits_per_second / 1e9 end'; }
rtt_p50() { jq -er '.rtt_us.p50'; }

# sample RAW CASE WHO UNIT COMMAND... - record the number that the command prints
sample()
{
	local raw=$1 name=$2 who=$3 unit=$4 value

	shift 4
	value=$("$@") || return
	jq -cen --arg case "$name" --arg who "$who" --arg unit "$unit" --argjson value "$value" \
		'{$case, $who, $unit, $value}' >>"$raw"
}

# ledger RAW CASE - record nfvd's ledger
ledger() { nfvctl -j ledger | jq -ce --arg case "$2" '{$case, ledger: .}' >>"$1"; }

# report RAW OUT [OPTION]...
report() { python3 tests/bench/report.py ${SMOKE:+--smoke} "${@:3}" "$1" "$2"; }
