# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# Which scripts of a suite run with which kernel.

# runs_with KERNEL SCRIPT - whether a script runs with this kernel. A line "# kernel: VERSION" in it names the only one. In a
# run of all tests (NFV_SHARE), so does a line "# share: VERSION".
runs_with()
{
	local only

	only=$(sed -nE "s/^# (kernel${NFV_SHARE:+|share}): //p" "$2")
	[ "${only:-$1}" = "$1" ]
}
