# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# For scripts in which another user of the host, or a guest, acts against what runs as root. Sourced after ns_enter.

STRANGER=(setpriv --reuid 65534 --regid 65534 --clear-groups)
stranger() { "${STRANGER[@]}" "$@"; }
# In here /tmp is ours, for all to write; with the programs, should they be below it.
mkdir /run/under
mount --bind /tmp /run/under
mount -t tmpfs -o mode=1777 tmpfs /tmp
for dir in "$TOP" "$BUILD"; do
	case $dir in
	/tmp/*) mkdir -p "$dir" && mount --bind "/run/under/${dir#/tmp/}" "$dir" ;;
	esac
done
strangers_leave() { find /tmp -mindepth 1 -maxdepth 1 -user 65534 -exec rm -rf --one-file-system {} +; }
chmod 711 "$WORK"
PRECIOUS=$WORK/precious
echo precious >"$PRECIOUS"
untouched() { [ "$(cat "$PRECIOUS")" = precious ]; }

# says NAME TEXT COMMAND... - it is refused, by itself and with this text
says()
{
	local name=$1 text=$2 output status=0

	shift 2
	[ "$(type -t "$1")" = function ] || set -- timeout 100 "$@"
	output=$("$@" 2>&1) || status=$?
	if [ $status -gt 0 ] && [ $status -lt 124 ] && [[ $output = *"$text"* ]]; then
		pass "$name"
	else
		fail "$name" "$* -> status $status, wanted: $text" "$output"
	fi
}

# device NAME - one that is up, in the namespace of the command $2...
device()
{
	local name=$1

	shift
	ip "$@" link add "$name" type veth peer name "o${#name}-$RANDOM"
	for end in $(ip "$@" -o link | sed -n 's/^[0-9]*: \(o[0-9]*-[0-9]*\)@.*/\1/p') "$name"; do
		ip "$@" link set "$end" up
	done
}
