# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# The agent's clients: wait for a guest, run a command in it. Sourced by guest; README.md has the protocol.

in= out=
agent_open()
{
	[ -e "$1" ] || return 1
	if [ -S "$1" ]; then
		command -v socat >/dev/null || die "no socat; tools/setup.sh check installs it"
		coproc SOCAT { exec socat - "UNIX-CONNECT:$1" 2>/dev/null; }
		in=${SOCAT[0]} out=${SOCAT[1]}
	else
		# Allow one client at a time, as with a socket.
		{ exec {in}<>"$1"; } 2>/dev/null || return 1
		flock -w 60 "$in" && stty raw -echo <&"$in" || return 1
		out=$in
	fi
}

# An earlier client may have left half a command, or an unread response.
agent_sync()
{
	local line token=nfv-sync-$$-$RANDOM

	{ printf '\necho %s\n' "$token" >&"$out"; } 2>/dev/null || return 1
	while IFS= read -r -t "$1" line <&"$in"; do
		[ "$line" = "$token" ] && break
	done
	[ "${line:-}" = "$token" ] && IFS= read -r -t "$1" line <&"$in" && [ "$line" = "nfv-agent-exit 0" ]
}

wait_agent()
{
	local agent=$1 limit=$((SECONDS + ${2:-60}))

	while [ $SECONDS -lt $limit ]; do
		# Use a new connection for each try: a guest that reboots
		# gets a new terminal.
		(agent_open "$agent" && agent_sync 1) && return 0
		sleep 0.1
	done
	die "$agent does not respond"
}

exec_agent()
{
	local agent=$1 command=$2 limit=$((SECONDS + ${3:-35})) line

	case $command in *$'\n'*) die "a command is one line" ;; esac
	agent_open "$agent" || die "cannot open $agent"
	agent_sync 5 || die "$agent does not respond"
	printf '%s\n' "$command" >&"$out"
	while [ $SECONDS -lt $limit ] && IFS= read -r -t $((limit - SECONDS)) line <&"$in"; do
		case $line in
		"nfv-agent-exit "*) exit "${line#nfv-agent-exit }" ;;
		*) printf '%s\n' "$line" ;;
		esac
	done
	die "$agent: no response to: $command"
}
