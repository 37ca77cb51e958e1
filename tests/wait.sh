# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# Waiting for a state, for tests and benches.

# nap SECONDS - sleep without starting a process: in an emulated machine that would distort measurements.
exec {NAP_FD}<> <(:)
nap() { read -r -t "$1" -u "$NAP_FD" _ || true; }
NAP=0.05			# seconds between two tries of wait_for

# wait_for 'COMMAND' SECONDS - repeat the command until it succeeds. The limit is multiplied by NFV_PATIENCE for a slow
# machine, and is at least 60 s, because other processes may use the CPUs. To bound a time, measure it separately.
wait_for()
{
	local limit=${2:-15}

	limit=$((SECONDS + (limit < 60 ? 60 : limit) * ${NFV_PATIENCE:-1}))

	until eval "$1" >/dev/null 2>&1; do
		[ $SECONDS -lt $limit ] || return 1
		nap "$NAP"
	done
}
