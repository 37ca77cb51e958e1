# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2034
#
# For scripts about what nfvd keeps in $CONF.

CONF=$WORK/conf
keep() { start_nfvd --config-dir "$CONF"; }
killed() { kill -KILL "$NFVD_PID"; wait "$NFVD_PID" 2>/dev/null; NFVD_PID=; }
names() { nfvctl -j show | jq -r '[.ports[].name] | sort | join(" ")'; }
has() { [ "$(names)" = "$*" ] || { echo "there are: $(names)"; false; }; }
setting() { nfvctl -j show "$1" | jq -r ".ports[0].$2"; }
youngest() { find "$CONF" -name 'config-*.json' | sort | tail -n 1; }
