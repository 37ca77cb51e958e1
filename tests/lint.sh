#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# lint.sh [BUILD] - static analysis; one line per check:
#	ok - NAME | not ok - NAME | skip - NAME: what is missing
set -u
cd "$(dirname "$0")/.." || exit
build=${1:-build}
failed=0
tmp=$(mktemp -d)
out=$tmp/out
trap 'rm -rf "$tmp"' EXIT

# List the project's files, including untracked ones, except data.
files() { git ls-files -co --exclude-standard -- "$@" | while read -r f; do [ ! -f "$f" ] || echo "$f"; done; }

check()
{
	local name=$1 start=$SECONDS

	shift
	if "$@" >"$out" 2>&1; then
		echo "ok - lint: $name ($((SECONDS - start)) s)"
	else
		echo "not ok - lint: $name ($((SECONDS - start)) s)"
		sed 's/^/  /' "$out" | head -n 100
		failed=1
	fi
}

need()
{
	local name=$1 tool=$2

	command -v "$tool" >/dev/null && return
	echo "skip - lint: $name: $tool is missing"
	return 1
}

spdx()
{
	files | grep -vE '^tools/packaging/debian/(changelog|copyright|source/format)$|^LICENSES/|\.(md|json|png)$|^tests/(.*/)?corpus/' |
		xargs -d '\n' awk '
			BEGIN { for (i = 1; i < ARGC; i++) none[ARGV[i]] }
			FNR > 5 { nextfile }
			/SPDX-License-Identifier: / { delete none[FILENAME] }
			END { for (name in none) { print "no SPDX line: " name; bad = 1 }; exit bad }'
}

shell_syntax()
{
	local shell file bad=0

	while read -r shell file; do
		$shell -n "$file" || bad=1
	done < <(files | xargs -d '\n' awk '
		/^#!.*bash$/ { print "bash", FILENAME }
		/^#!.*busybox sh$/ || $0 == "#!/bin/sh" { print "sh", FILENAME }
		{ nextfile }')
	return $bad
}

# A shell script has one subject. Beyond 300 lines it has several.
script_lengths()
{
	local long

	long=$(files | tr '\n' '\0' | xargs -0 awk 'FNR == 1 { shell = FILENAME ~ /\.sh$/ || /^#!.*sh$/ }
		shell && FNR == 301 { print FILENAME " has more than 300 lines" }')
	[ -z "$long" ] || { echo "$long"; return 1; }
}

run_cppcheck()
{
	mapfile -t sources < <(files 'dataplane/*.c' 'ctl/*.c')
	cppcheck -q -j 2 --std=c11 --language=c --enable=warning,performance,portability --inline-suppr \
		--suppress=missingIncludeSystem --suppress=unknownMacro --error-exitcode=1 \
		-D_GNU_SOURCE -D__x86_64__ -I include -I dataplane -I ctl "${sources[@]}"
}

# Check only files that the build compiles, because it knows their flags.
run_clang_tidy()
{
	mapfile -t sources < <(files 'dataplane/*.c' 'ctl/*.c' | grep -v '/bpf/' |
		while read -r f; do grep -q "$f\"" "$build/compile_commands.json" && echo "$f"; done)
	[ ${#sources[@]} -gt 0 ] || { echo "$build/compile_commands.json names no source"; return 1; }
	# One at a time: with several, clang-tidy 14 takes every va_list for uninitialised.
	# For the path to a finding, run by hand: clang-tidy-14 -p BUILD FILE.
	printf '%s\n' "${sources[@]}" |
		xargs -P 2 -n 1 clang-tidy-14 -p "$build" --quiet --extra-arg=-Wno-unknown-warning-option \
			>"$tmp/tidy" 2>&1 && return
	# bpftool generates the skeleton.
	grep -E 'error: |clang-tidy' "$tmp/tidy" | grep -v 'skel\.h:' | sort -u | tee "$tmp/found"
	[ ! -s "$tmp/found" ]
}

# The page inserts names of guests and clients only as text, never as HTML; and no file is long.
page_rules()
{
	local file bad=0

	files 'tools/packaging/cockpit/*.js' | xargs grep -nE \
		'innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser|srcdoc|\beval\b|new Function' && bad=1
	while IFS= read -r file; do
		[ "$(wc -l <"$file")" -lt 300 ] || { echo "$file has 300 lines or more"; bad=1; }
	done < <(files 'tools/packaging/cockpit/*.js')
	return $bad
}

page_syntax()
{
	local file bad=0

	while IFS= read -r file; do
		node --check --input-type=module <"$file" || { echo "$file"; bad=1; }
	done < <(files 'tools/packaging/cockpit/*.js')
	files 'tests/page/*.js' | xargs -n 1 node --check && return $bad
}

# Use Debian's eslint, even with a Node.js from elsewhere.
page_eslint()
{
	NODE_PATH=/usr/share/nodejs eslint -f unix --no-eslintrc --parser-options=ecmaVersion:2020,sourceType:module --env browser,es6 \
		--global cockpit --rule 'no-undef: 2' --rule 'no-unused-vars: 2' --rule 'prefer-const: 2' --rule 'no-var: 2' --rule 'eqeqeq: 2' \
		--rule 'no-use-before-define: [2, {functions: false, variables: false}]' --rule 'no-shadow: 2' tools/packaging/cockpit &&
		NODE_PATH=/usr/share/nodejs eslint -f unix --no-eslintrc --parser-options=ecmaVersion:2020 --env browser,node,es6 \
			--rule 'no-undef: 2' --rule 'no-unused-vars: 2' tests/page
}

# lint-format.py says which of clang-format's changes are rules. The header for assembler is not checked.
format()
{
	mapfile -t sources < <(files 'dataplane/*.[ch]' 'ctl/*.[ch]' 'include/*.h' 'kmod/*.[ch]' 'tests/*.[ch]' 'tools/*.[ch]' |
		grep -v unikernel/fault.h)
	printf '%s\n' "${sources[@]}" | xargs -P 2 -n 40 tests/lint-format.py
}

# Check the last commits: "area: what it does", at most 72 columns, and a body. A tree without history passes.
commits()
{
	local hash subject bad=0

	git rev-parse -q --verify HEAD >/dev/null 2>&1 || return 0
	while read -r hash subject; do
		if [ ${#subject} -gt 72 ] || ! [[ $subject =~ ^[A-Za-z][A-Za-z0-9\ .,_/-]*:\ .+ ]]; then
			echo "$hash: not 'area: what it does' in at most 72 columns: $subject"
			bad=1
		elif [ -z "$(git log -1 --format=%b "$hash")" ]; then
			echo "$hash: no body that says why: $subject"
			bad=1
		fi
	done < <(git log --no-merges -20 --format='%h %s')
	return $bad
}

# What nfvctl links each command loads: ctl/library.h
nfvctl_libraries()
{
	local more

	more=$(readelf -d "$build/ctl/nfvctl" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' | grep -vE '^lib(jansson|mnl|smartcols|m|c|asan|ubsan|tsan)\.so')
	[ -z "$more" ] || { echo "nfvctl links $more: a command that needs it can open it"; return 1; }
}

check "SPDX line in every file" spdx
check "commit messages" commits
check "shell syntax" shell_syntax
check "shell scripts: length" script_lengths
check "include rules" tests/lint-includes.sh
[ ! -f "$build/ctl/nfvctl" ] || check "nfvctl's libraries" nfvctl_libraries
check "no circle of files" tests/lint-circles.sh kmod dataplane ctl
check "what runs as root" tests/lint-root.sh
need format clang-format-14 && check "format" format
check "the Cockpit page: files and words" page_rules
need "the Cockpit page" node && check "the Cockpit page: syntax" page_syntax
need "the Cockpit page: eslint" eslint && check "the Cockpit page: eslint" page_eslint
need cppcheck cppcheck && check "cppcheck" run_cppcheck
if need clang-tidy clang-tidy-14; then
	if [ -f "$build/compile_commands.json" ]; then
		check "clang-tidy" run_clang_tidy
	else
		echo "skip - lint: clang-tidy: no $build/compile_commands.json; run make"
	fi
fi
exit $failed
