#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# kernel: 6.1
# TCP in tunnels by packet sockets on this kernel, without the module: here all kinds of tunnels can be made. QEMU is slow at
# nfvd's copies. What is cut has less than a tenth.
NFV_PART=4 exec bash "$(dirname "$0")/../../integration/36-tunnels.sh"
