#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Print each group of files that depend on each other in a circle, in any number of steps; nothing if there is none.
#
#	lint-circles.sh FOLDER...	of each folder (with those in it) apart
#
# A .c file depends on the file that defines what it calls or names; a header, on the headers that it includes.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/lint-lib.sh

# uses FILE... - print "USER DEFINER" for each pair of these .c files in which USER names what DEFINER defines.
uses()
{
	without_comments "$@" | awk '
		$1 == "@" { file = $2; next }
		{ gsub(/"([^"\\]|\\.)*"/, "\"\"") }
		# A line that begins in the first column and is not static is a definition, unless it ends in a semicolon.
		/^[a-z]/ && !/^(static|typedef|extern|module_|MODULE_|EXPORT_|DEFINE_)/ {
			name = ""
			if (match($0, /[a-zA-Z_0-9]+\(/)) {
				if ($0 !~ /;[ \t]*$/)
					name = substr($0, RSTART, RLENGTH - 1)
			} else if ($0 !~ /^(struct|union|enum) [a-zA-Z_0-9]+ *(\{|;)/ && match($0, /[a-zA-Z_0-9]+(\[[^=]*\])?( = |;)/)) {
				name = substr($0, RSTART, RLENGTH)
				sub(/[^a-zA-Z_0-9].*/, "", name)
			}
			if (name != "")
				definer[name] = file
		}
		{
			n = split($0, word, /[^a-zA-Z_0-9]+/)
			for (i = 1; i <= n; i++)
				if (word[i] != "")
					names[file, word[i]] = 1
		}
		END {
			for (pair in names) {
				split(pair, at, SUBSEP)
				if (at[2] in definer && definer[at[2]] != at[1])
					print at[1], definer[at[2]]
			}
		}'
}

# includes FILE... - print "USER USED" for each pair of these headers in which USER includes USED.
includes()
{
	local file

	for file; do
		sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"\([^"]*\)".*/\1/p' "$file" | while read -r used; do
			for at in "${file%/*}/$used" "$folder/$used"; do
				[ ! -e "$at" ] || { echo "$file $at"; break; }
			done
		done
	done
}

status=0
shopt -s nullglob globstar
for folder; do
	needs=$(uses "$folder"/**/*.c | sort -u) included=$(includes "$folder"/**/*.h)
	[ -n "$needs" ] || { echo "in $folder, no file needs another: this check finds nothing"; status=1; }
	for circle in "$(tsort <<<"$needs" 2>&1 >/dev/null)" "$(tsort <<<"$included" 2>&1 >/dev/null)"; do
		[ -n "$circle" ] || continue
		echo "in $folder, files need each other:"
		sed 's/^tsort: -: input contains a loop:$/  --/; s/^tsort: /  /' <<<"$circle"
		status=1
	done
done
exit $status
