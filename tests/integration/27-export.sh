#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Metrics: promtool and Prometheus read them; slow readers, many readers; the alerts.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"

AT=127.0.0.1:9477
EXPORT=
export_start()
{
	"$NFVCTL" export "$@" >"$WORK/export.log" 2>&1 &
	EXPORT=$!
	wait_for "grep -q '^metrics at' $WORK/export.log" 5
}
export_stop() { kill "$EXPORT" && wait "$EXPORT"; }
get() { /usr/bin/python3 - "$@" <<-'P'
	import sys, urllib.request
	sys.stdout.write(urllib.request.urlopen(urllib.request.Request(sys.argv[1], headers={"Accept": sys.argv[2] if len(sys.argv) > 2 else "text/plain"}), timeout=20).read().decode())
	P
}
metrics() { get "http://$AT/metrics" "$@"; }
# has LINE - the metrics have such a line
has() { metrics >"$WORK/metrics"; grep -qE "$1" "$WORK/metrics" || { cat "$WORK/metrics"; return 1; }; }

start_nfvd --workers 1
nfvctl attach kvm a vlan 10 zone 'blue' >/dev/null
nfvctl attach kvm b >/dev/null
nfvctl attach kvm c >/dev/null
"$BUILD/tests/bench/vugen" --a $STATE/b.sock --b $STATE/c.sock --size 64 --seconds 1 >/dev/null

check "export: it starts" export_start
check "export: what a port is" has '^nfv_port_info\{port="a",type="kvm",via="vhost-user",zone="blue",vlan="10"\} 1$'
check "export: its frames" has '^nfv_port_receive_packets_total\{port="b"\} [1-9][0-9]+$'
check "export: the sum of each, whether it has lost any or not" eval "metrics | grep -c '^nfv_port_dropped_packets_total{port=.[abc].} [0-9]' | grep -qx 3"
check "export: its losses by reason" has '^nfv_port_drops_total\{port="[bc]",reason="dst_full"\} [1-9]'
echo nonsense | socat -t 5 - UNIX:$STATE/ctl.sock >/dev/null
check "export: what the control socket refused" has '^nfv_control_refusals_total\{reason="ctl_bad_request"\} 1$'
check "export: the worker's time" has '^nfv_worker_busy_seconds_total\{worker="0"\} [0-9.]+$'
check "export: promtool finds no fault" eval 'metrics | promtool check metrics'
check "export: OpenMetrics ends with EOF" eval '[ "$(metrics application/openmetrics-text | tail -n 1)" = "# EOF" ]'
check "export: and names counters as it should" eval 'metrics application/openmetrics-text | grep -q "^# TYPE nfv_port_receive_packets counter$"'
check_fails "export: another path" get "http://$AT/x"
check_fails "export: the address is taken" nfvctl export --listen $AT
check_fails "export: no address" nfvctl export --listen here
check_fails "export: no port" nfvctl export --listen 127.0.0.1

prometheus_scrapes()
{
	cat >"$WORK/prometheus.yml" <<-EOT
	global: {scrape_interval: 1s}
	rule_files: [$TOP/tools/packaging/nfv-alerts.yml]
	scrape_configs:
	  - {job_name: nfv, static_configs: [{targets: ["$AT"]}]}
	EOT
	prometheus --config.file="$WORK/prometheus.yml" --storage.tsdb.path="$WORK/tsdb" --web.listen-address=127.0.0.1:9090 \
		>"$WORK/prometheus.log" 2>&1 &
	prometheus=$!
	query() { get "http://127.0.0.1:9090/api/v1/query?query=$1" | tee "$WORK/answer" | jq -e "$2" || { cat "$WORK/answer"; return 1; }; }
	wait_for "query 'nfv_port_info%7Bport=%22a%22%7D' '.data.result[0].metric.zone == \"blue\"'" 20 &&
		wait_for "query nfv_port_receive_packets_total '.data.result | length == 3'" 5 &&
		wait_for "query nfv_worker_round_seconds_count '.data.result[0].value[1] | tonumber > 0'" 5
}
check "export: Prometheus reads it" prometheus_scrapes
check "export: Prometheus takes the alerts" eval "get http://127.0.0.1:9090/api/v1/rules | jq -e '.data.groups[0].rules | length == 7'"
kill "$prometheus"; wait "$prometheus" 2>/dev/null

cp "$TOP/tools/packaging/nfv-alerts.yml" "$TOP/tests/seeing/alerts-test.yml" "$WORK"
check "alerts: promtool finds no fault" promtool check rules "$WORK/nfv-alerts.yml"
check "alerts: they say what they should, when they should" promtool test rules "$WORK/alerts-test.yml"

# 1000 clients send a request and do not read the response; then one more. Each takes at most a few KiB of memory.
crowd()
{
	/usr/bin/python3 - "$AT" <<-'P'
	import socket, sys, time, urllib.request
	host, port = sys.argv[1].split(":")
	crowd = []
	for i in range(1000):
	    s = socket.create_connection((host, int(port)), timeout=20)
	    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
	    s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n" + (b"\r\n" if i % 2 else b""))
	    crowd.append(s)
	t = time.monotonic()
	text = urllib.request.urlopen("http://" + sys.argv[1] + "/metrics", timeout=20).read()
	print("beside 1000:", round(time.monotonic() - t, 3), "s")
	assert b"nfv_up 1" in text
	P
}
rss_kib() { awk '$1 == "VmRSS:" { print $2 }' "/proc/$EXPORT/status"; }
check "export: beside 1000 who do not read" crowd
echo "# export: $(rss_kib) KiB after 1000"
check "export: they have not made it grow" [ "$(rss_kib)" -lt 65536 ]

stop_nfvd
check "export: without nfvd: nfv_up is 0" has '^nfv_up 0$'
start_nfvd
check "export: with the next one: 1" wait_for "has '^nfv_up 1$'" 5
check "export: it ends when told" export_stop

AT=unix
check "export: at a socket" export_start --listen "unix:$WORK/e.sock"
check "export: which answers" eval "curl -s --unix-socket $WORK/e.sock http://x/metrics 2>/dev/null | grep -q 'nfv_up 1' ||
	printf 'GET /metrics HTTP/1.0\r\n\r\n' | socat -t 2 - UNIX:$WORK/e.sock | grep -q 'nfv_up 1'"
kill -KILL "$EXPORT"; wait "$EXPORT" 2>/dev/null
check "export: the socket of one that was killed is no hindrance" export_start --listen "unix:$WORK/e.sock"
export_stop
finish
