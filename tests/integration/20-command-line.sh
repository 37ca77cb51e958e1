#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# nfvctl's exit statuses and messages; what is in the way of a socket.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"

no_ports() { [ "$(nfvctl -j show)" = '{"ports":[]}' ]; }
left_behind() { find "$STATE" -mindepth 1 ! -name ctl.sock ! -name lock; }
nothing_left() { [ -z "$(left_behind)" ] || { left_behind; return 1; }; }

# manners NAME STATUS WORDS ARGUMENT...: check the exit status, and the words: one line on stderr, and -j's error object.
manners()
{
	local name="nfvctl: $1" status=$2 words=$3 got=0

	shift 3
	nfvctl "$@" >"$WORK/out" 2>"$WORK/err" || got=$?
	if [ "$got" != "$status" ]; then
		fail "$name" "exit status $got, not $status"
	elif ! head -n 1 "$WORK/err" | grep -q "^nfvctl: .*$words"; then
		fail "$name" "stderr is: $(cat "$WORK/err")"
	elif [ -s "$WORK/out" ] || [ "$(wc -l <"$WORK/err")" -gt 2 ]; then
		fail "$name" "more than an error and a hint"
	elif nfvctl -j "$@" >"$WORK/out" 2>"$WORK/err" || [ -s "$WORK/err" ] ||
		! jq -e '.error | .code <= -32000 and (.message | type == "string")' "$WORK/out" >/dev/null; then
		fail "$name" "with -j: $(cat "$WORK/out" "$WORK/err")"
	else
		pass "$name"
	fi
}

command_line()
{
	local name words

	manners "a name that is no text" 2 "argument 2 is not valid UTF-8" show $'\xff'
	manners "unknown command" 2 "unknown command 'atach'; did you mean 'attach'?" atach kvm vm0
	manners "unknown command of bench" 2 "unknown command 'trt'; did you mean 'rtt'?" bench trt
	manners "unknown command like none" 2 "unknown command 'nosuch'$" nosuch
	manners "unknown option" 2 "unknown option '--nosuch'" --nosuch show
	manners "option without its value" 2 "needs a directory" show --state-dir
	manners "ambiguous prefix" 2 "'s' is ambiguous: show, stats, set, storm, shortcut, save" s
	manners "unknown argument" 2 "attach kvm vm0: unknown argument 'colour'$" attach kvm vm0 colour red
	manners "mistyped argument" 2 "unknown argument 'sokcet'; did you mean 'socket'?" attach kvm vm0 sokcet /x
	manners "argument twice" 2 "'queues' is given twice" attach kvm vm0 queues 1 queues 2
	manners "number out of range" 2 "'queues' must be a number from 1 to 8" attach kvm vm0 queues 9
	manners "a time without a value" 2 "show: 'time' needs a value" show time
	manners "a time without a value, of a port" 2 "show: 'time' needs a value" show vm0 time
	manners "a file that is not there" 1 "apply: unable to open /nosuch: No such file or directory$" apply /nosuch
	manners "a file to compare that is not there" 1 "diff: unable to open /nosuch: No such file or directory$" diff /nosuch
	manners "missing argument" 2 "'dev' is missing" attach veth c1
	manners "no such port" 1 "detach nosuch: no port 'nosuch'" detach nosuch
	manners "no such device" 1 "attach veth c1: .*nosuch0" attach veth c1 dev nosuch0
	manners "no such namespace" 1 "attach veth c1: .*nosuch" attach veth c1 dev eth0 netns nosuch
	for name in ../x -rf %n%s%x $'a\nb' "$(printf 'a%.0s' {1..256})" $'v\xd0\xb0m' ''; do
		manners "name $(printf %.20q "$name")" 1 "bad name" attach kvm "$name"
	done
	check "nfvctl: prefixes" nfvctl led
	check "nfvctl: help" grep -q "^  detach " <(nfvctl help)
	for words in "help detach" "detach help" "detach --help" "-h detach"; do
		# shellcheck disable=SC2086 # words
		check "nfvctl: $words" grep -q "^usage: nfvctl detach NAME" <(nfvctl $words)
	done
	for words in "help attach kvm" "attach help kvm" "attach kvm help" "help att k"; do
		# shellcheck disable=SC2086
		check "nfvctl: $words" grep -q "^usage: nfvctl attach kvm NAME" <(nfvctl $words)
	done
	check_fails "nfvctl: help of what is no command" nfvctl help nosuch
	check "nfvctl: help is no wider than a terminal" \
		[ -z "$(for c in "" attach bench probe set; do nfvctl help $c; done | grep -v ^usage | grep '.\{81\}')" ]
	check "nfvctl: options anywhere" [ "$(nfvctl --state-dir=$STATE show -j)" = "$(nfvctl --json show)" ]
	check "nfvctl: -jp" grep -q '^  "ports"' <(nfvctl show -jp)
	check "nfvctl: nothing of this has attached anything" no_ports
	check "nfvctl: or made a file" nothing_left
}

in_the_way()
{
	echo precious >"$STATE/vm0.sock"
	manners "a file where the vhost-user socket should be" 1 "$STATE/vm0.sock" attach kvm vm0
	check "control: it is left alone" grep -q precious "$STATE/vm0.sock"
	rm "$STATE/vm0.sock"
	check "control: without it the same command works" nfvctl attach kvm vm0
	manners "the same name again" 1 "already" attach kvm vm0
	check "control: detach" nfvctl detach vm0
	check "control: it removes the socket" [ ! -e "$STATE/vm0.sock" ]
}

start_nfvd
command_line
in_the_way
stop_nfvd
manners "without nfvd" 1 "nfvd is not running" show
check "control: it says how to start nfvd" grep -q "nfvd --state-dir $STATE &" <(nfvctl show 2>&1)
mkdir -p /run/systemd/system
touch /run/systemd/system/nfvd.service
check "control: with nfvd's unit, too" grep -q "ctl start nfvd" <(NFV_STATE_DIR=/run/nfvd "$NFVCTL" show 2>&1)
finish
