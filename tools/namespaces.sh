# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# For scripts that run themselves again in namespaces of their own, and there mount and configure
# what must not happen to the host:
#
#	if ! ns_inside "$@"; then
#		exec unshare --mount --pid --fork --mount-proc bash "$0" "$@" "$(ns_word)"
#	fi
#
# No variable of the environment says so: who is inside is process 1, and in another mount
# namespace than the one that its last argument names.

ns_word() { echo "--outside=$(readlink /proc/self/ns/mnt)"; }
ns_inside()
{
	local word=${*: -1}

	[ $$ = 1 ] && [[ $word = --outside=mnt:\[*\] ]] && [ "$word" != "$(ns_word)" ]
}
