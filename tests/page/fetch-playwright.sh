#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# fetch-playwright.sh - playwright-core from npm, of the version and hash that package-lock.json has, for
# tests/integration/27-page.sh. A folder of the cache, made once; prints it.
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../../tools/guests/cache.sh"

modules=$cache/playwright-$(sha256sum <"$here/package-lock.json" | cut -c 1-16)
if [ ! -e "$modules" ]; then
	making "playwright-core"
	work=$(mktemp -d "$cache/build.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	trap 'exit 1' HUP INT TERM
	cp "$here"/package{,-lock}.json "$work"
	# It brings no browser: that is Debian's.
	(cd "$work" && npm ci --ignore-scripts --no-audit --no-fund --cache "$work/npm") >"$work/log" 2>&1 </dev/null ||
		{ tail -n 20 "$work/log" >&2; cache_refused "npm failed"; }
	chmod -R go-w "$work/node_modules"
	mv -T "$work/node_modules" "$modules"
fi
touch "$modules"
echo "$modules"
