#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
#
# many_ports.py SOCKET N - answers as an nfvd of N ports would, in parts, for ever.
import json, os, socket, sys, threading

PAGE, N = 128, int(sys.argv[2])

def port(i):
    return {"name": f"p{i}", "id": i, "serial": i + 1, "type": "kvm", "via": "vhost-user", "state": "up", "accepts": ["csum"], "queues": 1,
            "macs": 1, "rx_frames": 10 * i, "rx_bytes": i, "tx_frames": i, "tx_bytes": i, "dropped": 0, "ledger_frames": i,
            "ledger_copies": i, "paused_s": 0.0, "bound": "idle", "pressure": {"from": 0.0, "to": 0.0}}

def answer(method, params):
    if method == "daemon.info":
        return {"version": "0", "workers": 1, "generation": None}
    first = params.get("from", 0)
    part = {"ports": [port(i) for i in range(first, min(first + PAGE, N))], "workers": [], "drops": []}
    if method != "drops.get" and first + PAGE < N:
        part["more"] = first + PAGE
    return part

def serve(client):
    for line in client.makefile("r"):
        ask = json.loads(line)
        client.sendall(json.dumps({"jsonrpc": "2.0", "id": ask["id"], "result": answer(ask["method"], ask.get("params", {}))}).encode() + b"\n")

listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(8)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
