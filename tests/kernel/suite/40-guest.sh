#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# kernel: 6.1
# limit: 400
# A nested KVM guest over vhost-user, and a container through the module: one copy each way.
. "$(dirname "$0")/lib.sh"

nested_kvm || { skip "a nested guest" "/dev/kvm"; exit 0; }
load
start_nfvd
mk_container c1 10.0.0.1/24
attach c1 >/dev/null
nfvctl attach kvm vm1 >/dev/null
"$GUEST" run qemu vm1 --socket $STATE/vm1.sock --ip 10.0.0.2/24 >>"$WORK/vm1.log" 2>&1 &
GUEST_PID[vm1]=$!
check "the guest boots" guest_wait vm1 240
serve c1
check "ping" in_ns c1 ping -q -c 5 -W 10 10.0.0.2
check "the guest has super-frames" guest_exec vm1 'ethtool -k eth0 | grep "tcp-segmentation-offload: on"'
copies_of c1 vm1 >/dev/null
copies_of vm1 c1 >/dev/null
check "TCP from the container to the guest" iperf_pair c1 10.0.0.2 5
check "container to guest: one copy" [ "$(copies_of c1 vm1)" = 1.00 ]
check "guest to container: one copy" [ "$(copies_of vm1 c1)" = 1.00 ]
check "TCP from the guest to the container" guest_exec vm1 'iperf3 -c 10.0.0.1 -t 5' 60
check "container to guest: one copy, again" [ "$(copies_of c1 vm1)" = 1.00 ]
check "guest to container: one copy, again" [ "$(copies_of vm1 c1)" = 1.00 ]
check "conserved" wait_for conserved 10
nfvctl ledger
check "killed under traffic" guest_kill vm1
wait_for "state_is vm1 waiting" 10
check "conserved after that" wait_for conserved 10
finish
