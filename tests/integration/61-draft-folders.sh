#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# limit: 400
#
# Names, links and folders of other users against `nfvctl bench draft`, which runs as root.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"
. "$TOP/tests/integration/lib/strangers.sh"

# Measures nothing: there is no image.
draft() { (cd "${DIR:-$WORK}" && timeout 100 "$NFVCTL" bench draft --only unikernel.osv.kvm "$@"); }

# Each would run a program, had it got to a shell.
names_in_tmp()
{
	local name

	mkdir "$WORK/bin"
	printf '#!/bin/sh\necho "$0 $*" >>%s/owned\n' "$WORK" >"$WORK/bin/owned"
	chmod 755 "$WORK/bin/owned"
	install -o 65534 -m 755 "$WORK/bin/owned" /tmp/owned
	# shellcheck disable=SC2016 # for a shell that there shall be none of
	for name in '$(owned)' '`owned`' ';owned;' '|owned|' $'\nowned\n' "';owned;'" '$(cd ${PWD%${PWD#?}}tmp;.${PWD%${PWD#?}}owned)' abcdef; do
		stranger mkdir "/tmp/nfv-draft.$name"
	done
	for TMPDIR in '' /tmp; do
		check "draft: names in /tmp, TMPDIR=$TMPDIR" env TMPDIR="$TMPDIR" PATH="$WORK/bin:$PATH" \
			bash -c 'cd "$1" && exec timeout 100 "$2" bench draft --only unikernel.osv.kvm --out "$1/draft"' - "$WORK" "$NFVCTL"
	done
	unset TMPDIR
	check "draft: nothing of it has run" [ ! -e "$WORK/owned" ]
	check "draft: they are as they were" [ "$(find /tmp -maxdepth 1 -name 'nfv-draft.*' -printf x | wc -c)" = 8 ]
	strangers_leave
}

stale_runs()
{
	local runs=/run/nfv-draft

	# shellcheck disable=SC2016
	mkdir -p $runs/nfv-draft.abc123 $runs/nfv-draft.abc1234 $runs/nfv-draft.'$(id)' $runs/other "$WORK/elsewhere"
	ln -s "$WORK/elsewhere" $runs/nfv-draft.abc124
	mkdir $runs/nfv-draft.abc125 && chown 65534 $runs/nfv-draft.abc125
	check "draft: with remains of others" draft --out "$WORK/draft"
	check "draft: removes what a run of before has left" [ ! -e $runs/nfv-draft.abc123 ]
	check "draft: and nothing else" [ "$(find $runs -mindepth 1 | wc -l)" = 5 ]
	check "draft: behind a link neither" [ -d "$WORK/elsewhere" ]
	rm -rf $runs

	stranger mkdir $runs
	says "draft: its folder in /run was made by somebody else" "users other than root can change" draft --out "$WORK/draft"
	rmdir $runs
	stranger ln -s "$WORK/elsewhere" $runs
	says "draft: its folder in /run is a link of somebody else's" "cannot make /run/nfv-draft" draft --out "$WORK/draft"
	rm $runs
	mkdir -m 777 $runs
	says "draft: its folder in /run can be written by others" "users other than root can change" draft --out "$WORK/draft"
	rmdir $runs
	check "draft: its folder in /run is root's alone" draft --out "$WORK/draft"
	check "draft: of mode 700" [ "$(stat -c %u:%a $runs)" = 0:700 ]
}

results()
{
	stranger mkdir /tmp/theirs /tmp/theirs/nfv-draft
	for name in result.json .result.json result.json.new report.html; do
		stranger ln -s "$PRECIOUS" "/tmp/theirs/nfv-draft/$name"
	done
	DIR=/tmp/theirs says "draft: in a folder of somebody else's" "other users can change /tmp/theirs" draft
	says "draft: results in a folder of somebody else's" "other users can change /tmp/theirs" draft --out /tmp/theirs/nfv-draft
	mkdir /tmp/theirs/ours
	says "draft: results in a folder of ours in theirs" "other users can change" draft --out /tmp/theirs/ours/deep
	mv /tmp/theirs/nfv-draft /tmp/nfv-draft
	DIR=/tmp says "draft: in /tmp" "other users can change" draft
	stranger ln -s "$WORK" /tmp/link
	says "draft: results behind a link of somebody else's" "other users can change /tmp/link" draft --out /tmp/link/draft
	says "draft: at a link" "cannot use /tmp/link" draft --out /tmp/link
	mkdir -m 1777 "$WORK/sticky"
	says "draft: in a folder that all can write" "other users can change" draft --out "$WORK/sticky/draft"
	mkdir -m 775 "$WORK/group" && chgrp 65534 "$WORK/group"
	says "draft: in a folder that a group can write" "other users can change" draft --out "$WORK/group/draft"
	check "draft: nobody's links were followed" untouched
	cp "$NFVCTL" /tmp/theirs/nfvctl
	check "draft: who could replace nfvctl can be trusted with results" \
		timeout 100 /tmp/theirs/nfvctl bench draft --only unikernel.osv.kvm --out /tmp/theirs/own
	mkdir "$WORK/linked" && ln -s "$PRECIOUS" "$WORK/linked/result.json"
	says "draft: a link for the result" "result.json" draft --out "$WORK/linked"
	check "draft: it was not followed" untouched
	check "draft: a folder of ours, with / at its end" draft --out "$WORK/new/"
	check "draft: is for others to read only" [ "$(stat -c %u:%a "$WORK/new")" = 0:755 ]
	strangers_leave
}

# What was built by a stranger is not run.
cache_and_scripts()
{
	stranger mkdir -p /tmp/cache/nfv-fastpath
	XDG_CACHE_HOME=/tmp/cache says "draft: a cache of somebody else's" "other users can change /tmp/cache" draft --out "$WORK/draft"
	mkdir -p "$WORK/cache/nfv-fastpath" && chown 65534 "$WORK/cache/nfv-fastpath"
	XDG_CACHE_HOME=$WORK/cache says "draft: the folder in the cache" "other users can change" draft --out "$WORK/draft"
	unset XDG_CACHE_HOME
	HOME=$WORK/home
	mkdir -p "$HOME/.cache/nfv-fastpath" && chmod 777 "$HOME/.cache"
	says "draft: a cache that others can write" "other users can change" draft --out "$WORK/draft"
	chmod 755 "$HOME/.cache"
	check "draft: a cache of root's" draft --out "$WORK/draft"
	stranger mkdir -p /tmp/guests/draft
	NFV_GUESTS=/tmp/guests says "draft: scripts of somebody else's" "will not run the scripts in /tmp/guests/draft" draft --out "$WORK/draft"
	strangers_leave
}

names_in_tmp
stale_runs
results
cache_and_scripts
finish
