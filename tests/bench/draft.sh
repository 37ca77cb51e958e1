#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# draft.sh [ARG]... - run nfvctl bench draft ARG..., and on a host without Xen the Xen rows in an emulated
# dom0. All rows are in build/bench-draft, and in build/bench/draft.json. After an interruption the same
# command continues.
set -eu -o pipefail
cd "$(dirname "$0")/../.."
. tests/bench/lib.sh
BUILD=$(realpath "${NFV_BUILD:-build}")
export BUILD NFV_KERNEL=6.1 NFV_BUILD=$BUILD
out=$BUILD/bench-draft
[ -z "$SMOKE" ] || out=$BUILD/$RESULTS/draft
nfvctl=$BUILD/ctl/nfvctl
scripts=tools/guests/draft
mkdir -p "$BUILD/$RESULTS" "$out/xen"

complete() { jq -e .complete "$1" >/dev/null 2>&1; }

# missing - print the technologies that need a Xen host
missing() { jq -r '.technologies | to_entries[] | select(.value.reason == "not on a Xen host") | .key' "$out/result.json"; }

# in_xen ARG... - measure the technologies $names in the machine, which cannot build images.
in_xen()
{
	local name list

	for name in "${names[@]}"; do
		# If a build fails, the run in the machine reports why.
		[ ! -x "$scripts/$name" ] || "$scripts/$name" image >/dev/null 2>&1 || true
	done
	list=$(IFS=,; echo "${names[*]}")
	NFV_KO=$(tests/machine/build-module.sh $NFV_KERNEL | head -n 1) &&
		export NFV_KO &&
		tests/machine/machine --xen --kernel $NFV_KERNEL --timeout 14400 --share "$out/xen" \
			tests/bench/draft-inside.sh --only "$list" --out "$out/xen" "$@" |
			tee "$out/xen/log" | sed -un '/^\[/p' >&2
}

# rows REASON - add the rows that the machine has measured; others get the reason.
rows()
{
	local measured=$out/xen/result.json

	[ -e "$measured" ] || measured=$out/result.json
	jq --arg reason "$1" --argjson there "$([ "$measured" = "$out/xen/result.json" ] && echo true || echo false)" '
		if $there then . else {draft, format, complete: false, technologies: {}} end |
		reduce $ARGS.positional[] as $name (.; .technologies[$name] |= ((. // {}) |
			if .samples or .errors or .reason then . else .reason = $reason end))' \
		"$measured" --args "${names[@]}" >"$out/xen/rows.json"
}

status=0
trap 'exit 130' INT TERM
if ! complete "$out/result.json" || [ ! -e "$out/xen/result.json" ] || complete "$out/xen/result.json"; then
	rm -f "$out/xen/result.json"
	"$nfvctl" bench draft --out "$out" "$@" >"$out/tables" || status=$?
	[ -e "$out/result.json" ] || exit $status
fi
mapfile -t names < <(missing)
if [ ${#names[@]} = 0 ]; then
	cat "$out/tables"
else
	args=()
	for ((i = 1; i < $#; i += 2)); do
		case ${!i} in
		--on*) ;;
		*) next=$((i + 1)); args+=("${!i}" "${!next}") ;;
		esac
	done
	echo "draft.sh: ${names[*]}: on an emulated Xen host" >&2
	why="the emulated Xen host failed"
	in_xen "${args[@]}" 2> >(tee "$out/xen/errors" >&2) || status=$?
	[ $status = 0 ] || why=$(grep -m 1 '^\(machine\|nfvctl\): ' "$out/xen/errors" || tail -n 1 "$out/xen/log")
	rows "$why"
	"$nfvctl" bench draft --out "$out" --add "$out/xen/rows.json"
fi
jq --argjson smoke "$([ -n "$SMOKE" ] && echo true || echo false)" '.smoke = $smoke' "$out/result.json" >"$BUILD/$RESULTS/draft.json"
exit $status
