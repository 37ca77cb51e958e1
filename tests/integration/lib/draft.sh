# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# For scripts that test `nfvctl bench draft`, whose result is in $OUT.

OUT=$WORK/draft
bench() { timeout 300 "$NFVCTL" bench draft --out "$OUT" "$@"; }

# query EXPRESSION: whether the expression is true for the result r, its technologies t and its tables.
query()
{
	python3 - "$OUT/result.json" "$1" <<-'EOT'
	import json, sys
	r = json.load(open(sys.argv[1]))
	t = r["technologies"]
	def row(table, name):
	    return next(row for row in r["tables"][table] if row["technology"] == name)
	def samples(path, name, measure):
	    return json.load(open(path))["technologies"][name]["samples"][measure]
	sys.exit(0 if eval("(" + sys.argv[2] + ")") else "not so: " + sys.argv[2])
	EOT
}
