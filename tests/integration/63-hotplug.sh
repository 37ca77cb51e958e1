#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Names of Xen guests for the hotplug script.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"

# The hotplug script with xenstore's tools in place of Xen's: each has the words that it was given in a file.
hotplug()
{
	local bin=$WORK/xen name path

	mkdir "$bin"
	cat >"$bin/xenstore-read" <<-'EOT'
	#!/bin/sh
	cat "$NAME_FILE"
	EOT
	cat >"$bin/xenstore-write" <<-'EOT'
	#!/bin/sh
	printf '<%s>' "$@" >>"$WRITTEN"
	EOT
	cat >"$bin/nfvctl" <<-'EOT'
	#!/bin/sh
	printf '<%s>' "$@" >"$CALLED"
	[ "$FAILS" = no ] || { printf '%s\n' "$FAILS" >&2; exit 1; }
	echo "$3: xen attached in 1.0 ms"
	EOT
	chmod +x "$bin"/*
	export NAME_FILE=$WORK/name CALLED=$WORK/called WRITTEN=$WORK/written FAILS=no
	plug() { : >"$WRITTEN"; PATH=$bin:$PATH XENBUS_PATH=${1-backend/vif/7/0} bash "$TOP/tools/xen/vif-nfv" online; }
	# shellcheck disable=SC2016
	for name in '-j' '--state-dir' 'help' '-h' '$(touch owned)' '`touch owned`' 'a b;touch owned' $'a\nb' '' '..' '*' "a'b" $'\e[2J'; do
		printf '%s' "$name" >"$NAME_FILE"
		plug >/dev/null 2>&1
		check "vif-nfv: a guest called $(printf %q "$name")" grep -qxE '<attach><xen><[A-Za-z0-9_][A-Za-z0-9_.-]*><domid><7><devid><0><temporary><yes>' "$CALLED"
		check "vif-nfv: it is no command" grep -qvE '<xen><(help|-.*)>' "$CALLED"
		check "vif-nfv: and is connected" grep -qx '<backend/vif/7/0/hotplug-status><connected>' "$WRITTEN"
	done
	check "vif-nfv: nothing of it has run" [ -z "$(find . "$WORK" -maxdepth 1 -name owned)" ]
	local names=() all
	for name in vm vm--incoming vm.12345 vm-emu all _all 'a b' a_b 'a;b' 0f8fad5b-d9cb-469f-a165-70867728950e 0f8fad5b-d9cb-469f-a165-70867728950f; do
		printf '%s' "$name" >"$NAME_FILE"
		for path in backend/vif/7/0 backend/vif/7/12345; do
			plug $path >/dev/null 2>&1
			names+=("$(sed 's/<attach><xen><\([^>]*\)>.*/\1/' "$CALLED")")
		done
	done
	all=$(printf '%s\n' "${names[@]}" | sort -u)
	check "vif-nfv: guests are told apart, but for one that migrates" [ "$(wc -l <<<"$all")" = 20 ]
	check "vif-nfv: a name that a port can have is left" grep -qx vm <<<"$all"
	check "vif-nfv: no guest's name is that of another's device" [ -z "$(grep -xE 'vm-emu|vm\.12345-.*|all' <<<"$all" | grep -vE '^vm\.12345-[0-9a-f]{8}(\.12345)?$')" ]
	check "vif-nfv: and no name is too long" [ -z "$(grep -vxE '[A-Za-z0-9_][A-Za-z0-9_.-]{0,30}' <<<"$all")" ]
	echo vm >"$NAME_FILE"
	FAILS=$'-s evil\e]0;owned\a' plug >/dev/null 2>&1
	check "vif-nfv: what nfvctl says of a failure is one value" grep -qF "<backend/vif/7/0/hotplug-status><error>" "$WRITTEN"
	check "vif-nfv: and no option" grep -qvF '<-s' "$WRITTEN"
	for path in '' /vif 'backend/vif/7/$(touch owned)' backend/vif/x/0 backend/vif/7/-1; do
		: >"$CALLED"
		plug "$path" >/dev/null 2>&1
		check "vif-nfv: a path '$path' is no guest's" [ ! -s "$CALLED" ]
	done
}

hotplug
finish
