# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# For scripts that run themselves again in new namespaces, where they mount and configure what must
# not change on the host:
#
#	if ! ns_inside "$@"; then
#		exec unshare --mount --pid --fork --mount-proc bash "$0" "$@" "$(ns_word)"
#	fi
#
# The test does not use environment variables, which others can set: inside, the script is process 1,
# and its mount namespace is not the one that its last argument names.

ns_word() { echo "--outside=$(readlink /proc/self/ns/mnt)"; }
ns_inside()
{
	local word=${*: -1}

	[ $$ = 1 ] && [[ $word = --outside=mnt:\[*\] ]] && [ "$word" != "$(ns_word)" ]
}
