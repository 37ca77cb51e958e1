# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# For scripts with a guest whose driver they drive step by step: driven.c.

# driven_start NAME - attach port NAME, and connect such a guest to it
driven_start()
{
	nfvctl attach kvm "$1" >/dev/null
	coproc DRIVEN { exec "$BUILD/tests/integration/driven" "$STATE/$1.sock" 2>&1; }
}

# driven WORD... - let it do that. $REPLY is what it says.
driven()
{
	echo "$*" >&"${DRIVEN[1]}"
	read -r -t 20 -u "${DRIVEN[0]}" REPLY
}

driven_end()
{
	local pid=$DRIVEN_PID

	exec {DRIVEN[1]}>&-
	wait "$pid"
}
