#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The control socket under hostile clients, one that is killed, a second nfvd.

build=${NFV_BUILD:-$(dirname "$0")/../../build}
# Use the build with sanitizers if it is up to date.
if [ "$build/asan/dataplane/nfvd" -nt "$build/dataplane/nfvd" ] && [ -x "$build/asan/tests/hostile/witness" ]; then
	NFVD=$(realpath "$build/asan/dataplane/nfvd")
fi
. "$(dirname "$0")/../lib.sh"
ns_enter "$@"

EVIL=$BUILD/tests/hostile/evil-ctl
SOCKET=$STATE/ctl.sock

running() { nfvctl -j version | jq -e .nfvd; }
fds() { find "/proc/$NFVD_PID/fd" -mindepth 1 | wc -l; }
counted() { nfvctl drops | awk -v reason="$1" '$2 == reason { n = $3 } END { print n + 0 }'; }
no_ports() { [ "$(nfvctl -j show)" = '{"ports":[]}' ]; }
left_behind() { find "$STATE" -mindepth 1 ! -name ctl.sock ! -name lock; }
nothing_left() { [ -z "$(left_behind)" ] || { left_behind; return 1; }; }
cpu_ticks() { awk '{ print $14 + $15 }' "/proc/$NFVD_PID/stat"; }

# --- the witness -----------------------------------------------------------------

# Guests that send during the tests, and others at a second nfvd that is not attacked: see tests/hostile/witness.h.
start_witness()
{
	local port control=$WORK/control

	mkdir -m 700 "$control"
	"$NFVD" --state-dir "$control" >"$WORK/control.log" 2>&1 &
	CONTROL_PID=$!
	wait_for "[ -S $control/ctl.sock ]" 30
	for port in w0 w1; do
		nfvctl attach kvm $port >/dev/null
		nfvctl --state-dir "$control" attach kvm $port >/dev/null
	done
	coproc WITNESS { exec "$(dirname "$NFVD")/../tests/hostile/witness" "$STATE" "$NFVD_PID" "$control" $CONTROL_PID 2>&1; }
	check "control: guests go on meanwhile" hear ready
}

# hear WORD: read the witness's lines until WORD. Fail if it reports a disturbance.
hear()
{
	local line

	while read -r -t 60 -u "${WITNESS[0]}" line; do
		[ "$line" != "$1" ] || return 0
		echo "$line"
		[[ $line != bad:* ]] || return 1
	done
	return 1
}

stop_witness()
{
	echo "$1" >&"${WITNESS[1]}"
	check "control: they lose nothing, and do not wait" hear fine
	exec {WITNESS[1]}>&-
	# shellcheck disable=SC2154 # of the coprocess
	wait "$WITNESS_PID"
	nfvctl detach w0 >/dev/null
	nfvctl detach w1 >/dev/null
	kill -TERM "$CONTROL_PID"
	wait "$CONTROL_PID"
}

# --- protocol -----------------------------------------------------------------

hostile_client()
{
	local before line status

	start_witness
	before=$(fds)
	while IFS= read -r line; do
		case $line in
		"ok - "*) pass "control: ${line#ok - }" ;;
		"not ok - "*) fail "control: ${line#not ok - }" ;;
		*) fail "control: evil-ctl: $line" ;;
		esac
	done < <(timeout 120 "$EVIL" "$SOCKET" 2>&1; status=$?; [ $status -le 1 ] || echo "exit status $status")
	check "control: no descriptor is left" wait_for "[ \$(fds) = $before ]" 2
	stop_witness "hostile clients"
	check "control: no port is left" no_ports
	check "control: no file is left" nothing_left
}

# The socket's mode excludes other users; if its mode is widened, nfvd itself refuses them.
another_user()
{
	local before after start

	check "control: the socket is root's, mode 660" [ "$(stat -c %u:%a "$SOCKET")" = 0:660 ]
	before=$(counted ctl_denied)
	chmod 711 "$STATE"
	chmod 666 "$SOCKET"
	cp "$EVIL" "$WORK/evil-ctl"	# other users may not be able to read the build
	start=$SECONDS
	for _ in {1..5}; do
		check "control: another user is turned away" \
			setpriv --reuid 65534 --regid 65534 --clear-groups "$WORK/evil-ctl" "$SOCKET" denied
	done
	chmod 660 "$SOCKET"
	after=$(counted ctl_denied)
	check "control: counted as ctl_denied" [ $((after - before)) = 5 ]
	check "control: logged with uid and pid" grep -q 'denied uid=65534 pid=[1-9]' "$NFVD_LOG"
	check "control: one line per second at most" [ "$(grep -c 'denied uid=65534' "$NFVD_LOG")" -le $((SECONDS - start + 1)) ]
}

# Without free descriptors nfvd cannot accept clients; it must wait without spinning, and recover.
out_of_descriptors()
{
	local limits ticks holder

	limits=$(prlimit --pid "$NFVD_PID" --nofile -o SOFT,HARD --noheadings | awk '{ print $1 ":" $2 }')
	prlimit --pid "$NFVD_PID" --nofile="$(($(fds) + 4)):${limits#*:}"
	"$EVIL" "$SOCKET" hold 20 >"$WORK/held" &
	holder=$!
	assert 'wait_for "grep -q held $WORK/held" 15' "control: 20 clients connect"
	# If nfvd spun, it would in each of these seconds; earlier clients may use up to one of them.
	for _ in 1 2 3; do
		ticks=$(cpu_ticks)
		sleep 1
		ticks=$(($(cpu_ticks) - ticks))
		echo "  $ticks hundredths of a processor"
		[ $ticks -ge 50 ] || break
	done
	check "control: out of descriptors, nfvd does not spin" [ "$ticks" -lt 50 ]
	kill -KILL "$holder"
	wait "$holder" 2>/dev/null
	check "control: it serves again when there are some" wait_for running 5
	prlimit --pid "$NFVD_PID" --nofile="$limits"
}

# Ports use up the descriptors: the next one is refused and leaves nothing, clients that read are still accepted, and
# existing ports work.
ports_take_all_descriptors()
{
	local limits before spare n=0

	for n in {1..12}; do
		ip link add "fd$n" type veth peer name "fe$n"
	done
	nfvctl attach veth fd1 dev fd1 >/dev/null && nfvctl detach fd1 >/dev/null	# what is made once is made
	nap 1	# until nfvd has closed the last nfvctl's connection
	before=$(fds)
	limits=$(prlimit --pid "$NFVD_PID" --nofile -o SOFT,HARD --noheadings | awk '{ print $1 ":" $2 }')
	for spare in 0 1 2 3 0 1 2 3; do
		prlimit --pid "$NFVD_PID" --nofile="$((before + spare)):"
		if ! nfvctl attach veth fd1 dev fd1 >/dev/null 2>"$WORK/refused"; then
			grep -q "Too many open files" "$WORK/refused" || fail "control: the reason of $spare descriptors" "$(cat "$WORK/refused")"
		fi
		prlimit --pid "$NFVD_PID" --nofile="$limits"
		nfvctl detach fd1 >/dev/null 2>&1
	done
	pass "control: wherever descriptors end, that is the reason"
	nap 1
	prlimit --pid "$NFVD_PID" --nofile="$((before + 4)):"
	for n in {1..12}; do
		# The previous nfvctl's connection may still use a descriptor for a moment.
		for _ in 1 2 3 4 5; do
			if nfvctl attach veth "fd$n" dev "fd$n" >/dev/null 2>"$WORK/refused"; then
				ip link set "fe$n" up
				continue 2
			fi
			nap 0.2
		done
		break
	done
	check "control: without descriptors a port is refused" [ -s "$WORK/refused" ]
	check "control: with the reason" grep -q "Too many open files" "$WORK/refused" || cat "$WORK/refused"
	for _ in {1..20}; do
		# A descriptor of an earlier client may be free by now.
		! nfvctl attach veth "fd$n" dev "fd$n" >/dev/null 2>&1 || n=$((n + 1))
		timeout 5 "$NFVCTL" show >"$WORK/shown" 2>&1 || fail "control: nfvd does not answer" "$(cat "$WORK/shown")"
	done
	check "control: of 12 ports some have none" [ $n -lt 12 ]
	check "control: it answers all the while, and shows no half port" [ "$(grep -c '^fd' "$WORK/shown")" = $((n - 1)) ]
	check "control: the ports before it work" wait_for "state_is fd1 up" 5
	while [ $((--n)) -gt 0 ]; do
		nfvctl detach "fd$n" >/dev/null || fail "control: detach fd$n" "status $?"
	done
	check "control: no descriptor is left of the refused" wait_for "[ \$(fds) -le $before ]" 2
	prlimit --pid "$NFVD_PID" --nofile="$limits"
	for n in {1..12}; do
		ip link del "fd$n"
	done
}

descriptors_allowed() { awk '/^Max open files/ { print $4 }' "/proc/$NFVD_PID/limits"; }

# --- clients and daemons that end --------------------------------------------------

# A client that is killed does not leave half a port.
killed_client()
{
	local pid

	for _ in {1..20}; do
		"$NFVCTL" attach kvm k0 >/dev/null 2>&1 &
		pid=$!
		kill -KILL "$pid"
		wait "$pid" 2>/dev/null
		# The killed client's request has arrived before this one, or never will.
		nfvctl show k0 >/dev/null 2>&1 && nfvctl detach k0 >/dev/null
	done
	check "control: nfvctl killed in the middle leaves a whole port or none" no_ports
	check "control: and no file" nothing_left
}

second_daemon()
{
	check_fails "control: a second nfvd on one state directory refuses" timeout 20 "$NFVD" --state-dir "$STATE"
	check "control: the first goes on" running
}

# Check nfvd's exit status, too: `finish` checks only that it ends.
shutdown()
{
	local status=0

	stop_nfvd || status=$?	# not within check: only the shell that started it can wait for it
	check "control: nfvd ends on SIGTERM with status 0" [ $status = 0 ]
	check "control: its socket is gone" [ ! -e "$SOCKET" ]
	check_fails "control: no sanitizer has complained" grep -E 'ERROR: |runtime error: ' "$NFVD_LOG"
}

ulimit -Sn 256			# as a shell has; the ports may need more
start_nfvd
check "control: nfvd allows itself descriptors for all ports" [ "$(descriptors_allowed)" -ge $((256 * 64)) ]
another_user		# first: later, many events would suppress its log lines
hostile_client
out_of_descriptors
ports_take_all_descriptors
killed_client
second_daemon
shutdown
finish
