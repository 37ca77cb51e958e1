#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# draft-inside.sh [ARG]... - the part of draft.sh that runs in dom0: nfvctl bench draft.
. "$(dirname "$0")/../xen/lib.sh"
xen_start "$@"

cp "$TOP/tools/xen/vif-nfv" /etc/xen/scripts/
modprobe -a loop xen-blkback xen-netback && load || exit
"$NFVCTL" bench draft "$@"
