#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# draft.sh [ARG]... - nfvctl bench draft ARG..., and what that cannot do on a host without Xen
# in dom0 of an emulated one: all rows in build/bench-draft, and build/bench/draft.json.
# Interrupted, the same command goes on.
set -eu -o pipefail
cd "$(dirname "$0")/../.."
BUILD=$(realpath "${NFV_BUILD:-build}")
export BUILD NFV_KERNEL=6.1 NFV_BUILD=$BUILD
out=$BUILD/bench-draft
nfvctl=$BUILD/ctl/nfvctl
scripts=tools/guests/draft
mkdir -p "$BUILD/bench" "$out/xen"

complete() { python3 -c 'import json, sys; sys.exit(not json.load(open(sys.argv[1]))["complete"])' "$1" 2>/dev/null; }

# missing - the technologies that want a Xen host
missing()
{
	python3 - "$out/result.json" <<-'EOT'
	import json, sys
	for name, tech in json.load(open(sys.argv[1]))["technologies"].items():
	    if tech.get("reason") == "not on a Xen host":
	        print(name)
	EOT
}

# in_xen ARG... - the rows of the technologies $names. The machine cannot build images.
in_xen()
{
	local name list

	for name in "${names[@]}"; do
		# Why it cannot is told in there.
		[ ! -x "$scripts/$name" ] || "$scripts/$name" image >/dev/null 2>&1 || true
	done
	list=$(IFS=,; echo "${names[*]}")
	NFV_KO=$(tests/kernel/build-module.sh $NFV_KERNEL | head -n 1) &&
		export NFV_KO &&
		tests/kernel/machine --xen --kernel $NFV_KERNEL --timeout 14400 --share "$out/xen" \
			tests/bench/draft-inside.sh --only "$list" --out "$out/xen" "$@" |
			tee "$out/xen/log" | sed -un '/^\[/p' >&2
}

# rows REASON - what the machine has measured, and why not where it has not.
rows()
{
	python3 - "$out" "$1" "${names[@]}" <<-'EOT'
	import json, os, sys
	out, reason, *names = sys.argv[1:]
	rows = json.load(open(out + "/result.json"))
	rows = {"draft": rows["draft"], "format": rows["format"], "complete": False, "technologies": {}}
	if os.path.exists(out + "/xen/result.json"):
	    rows = json.load(open(out + "/xen/result.json"))
	for name in names:
	    tech = rows["technologies"].setdefault(name, {})
	    if not rows["complete"]:
	        tech.setdefault("reason", reason)
	json.dump(rows, open(out + "/xen/rows.json", "w"))
	EOT
}

if ! complete "$out/result.json" || [ ! -e "$out/xen/result.json" ] || complete "$out/xen/result.json"; then
	rm -f "$out/xen/result.json"
	"$nfvctl" bench draft --out "$out" "$@" >"$out/tables"
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
	in_xen "${args[@]}" 2> >(tee "$out/xen/errors" >&2) ||
		why=$(grep -m 1 '^\(machine\|nfvctl\): ' "$out/xen/errors" || tail -n 1 "$out/xen/log")
	rows "$why"
	"$nfvctl" bench draft --out "$out" --add "$out/xen/rows.json"
fi
cp "$out/result.json" "$BUILD/bench/draft.json"
