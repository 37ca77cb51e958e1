#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# limit: 900
#
# README's commands, as they stand there, in their order: those that need no machine of their own are
# run here, and show what README says they show; of the others it is checked that the file has them that is named.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"

unset MAKEFLAGS MAKELEVEL MFLAGS DESTDIR prefix sysconfdir
export BUILD NFV_ACCEL=tcg
README=$TOP/README.md
cd "$TOP" || exit

# What is not run here, and what runs it: FILE:WORDS in it. Benches that take long are make's.
declare -A elsewhere=(
	["make demo"]='tests/fresh.sh:result "make demo" make demo'
	["make check"]='tests/fresh.sh:result "make check" make -s check'
	["make check-fresh"]='tests/fresh.sh:result "make check"'
	["make check-xen"]='tests/run:run_script $limit "tests/$1/run"'
	["make module"]='tests/kernel/build-module.sh:make'
	["insmod kmod/nfv.ko"]='tests/kernel/suite/lib.sh:insmod "$NFV_KO"'
	["make install-dkms && modprobe nfv"]='tests/kernel/build-module.sh:make'
	["nfvctl attach veth c1 dev veth-c1"]='tests/kernel/suite/30-switch.sh:with it'
	["nfvctl show c1 | grep via"]='tests/kernel/suite/30-switch.sh:port_via c1 module'
	["insmod kmod/nfv.ko; nfvd &"]='tests/xen/suite/20-nfv.sh:insmod "$NFV_KO"'
	["nfvctl attach xen vm3 domid 3"]='tests/xen/suite/20-nfv.sh:attach xen'
	["nfvctl detach vm3"]='tests/xen/suite/20-nfv.sh:nfvctl detach'
	["vif = ['mac=00:16:3e:00:00:11,script=vif-nfv']"]='tests/xen/suite/20-nfv.sh:script=vif-nfv'
	["make bench"]='tests/bench/smoke.sh:bench bench '
	["make bench-kernel"]='tests/bench/smoke.sh:bench bench-kernel '
	["make bench-xen"]='Makefile:tests/bench/xen.sh'
	["make bench-draft"]='tests/bench/smoke.sh:bench bench-draft '
	["nfvctl bench draft"]='tests/integration/50-draft.sh:bench'
	["ROUNDS=1 CASES=tcp make bench-xen"]='Makefile:tests/bench/xen.sh'
	["GUEST_MIB=160 ROUNDS=3 CASES=tcp-xen-xen make bench-xen"]='Makefile:tests/bench/xen.sh'
	["tools/setup.sh draft"]='Makefile:tools/setup.sh'
)

# What a guest of the reader's has behind README's "...": a kernel, and an agent that bench can ask.
image=$(tools/guests/build-image.sh "$NFVCTL") || { skip "README" "a guest's image"; finish; }
own="-accel tcg,thread=multi -M q35 -nodefaults -display none -kernel $image/vmlinuz -initrd $image/initrd"
own+=" -chardev socket,id=agent,path=$STATE/vm1.agent,server=on,wait=off -serial file:$WORK/vm1.log -serial chardev:agent"
append="console=ttyS0 quiet panic=1 nfv.agent=ttyS1 nfv.ip=10.0.0.3/24"

# Installed where README says, and gone with the namespace.
for dir in /usr/local /etc; do
	mkdir -p "$WORK/over$dir" "$WORK/work$dir"
	mount -t overlay overlay -o "lowerdir=$dir,upperdir=$WORK/over$dir,workdir=$WORK/work$dir" $dir ||
		{ skip "README" "overlayfs"; finish; }
done
PATH=/usr/local/sbin:$PATH
hash -r

# Numbers are others each time; what is between them is not. Steps of attach have times.
same_shape() { sed 's/\x1b\[[0-9;]*m//g; s/[0-9][0-9.]*/N/g; s/  */ /g; s/ $//' "$1"; }

listed() { local at=${elsewhere[$1]:-}; [ -n "$at" ] && grep -qF -- "${at#*:}" "${at%%:*}"; }

# one COMMAND WHAT: run it, or find it where it is run
declare -A seen=()
one()
{
	local command=$1 what=$2 status=0 out=$WORK/out

	seen[$command]=1
	if [ -n "${elsewhere[$command]:-}" ]; then
		check "README: $command: by ${elsewhere[$command]%%:*}" listed "$command"
		return
	fi
	case $command in
	qemu-system-x86_64*)
		command="${command/" ..."/" $own -append '$append'"} >$WORK/qemu.log 2>&1 &"
		out=$WORK/qemu.log
		;;
	*"nfvd &"*)
		command=${command/"nfvd &"/"nfvd >$NFVD_LOG 2>&1 & NFVD_PID=\$!;"}
		out=$NFVD_LOG
		;;
	esac
	if [ "$out" != "$WORK/out" ]; then
		eval "$command"
	else
		eval "$command" >"$out" 2>&1 || status=$?
	fi
	printf '%s' "$what" >"$WORK/what"
	if [ -n "$what" ] && ! diff <(same_shape "$WORK/what") <(same_shape "$out" | head -n "$(wc -l <"$WORK/what")") >"$WORK/diff"; then
		fail "README: $1" "it shows otherwise (>) than README says (<):" "$(cat "$WORK/diff")"
	elif [ $status != 0 ] && [[ $what != "nfvctl: "* ]]; then
		fail "README: $1" "status $status" "$(cat "$WORK/out")"
	else
		pass "README: $1"
	fi
	case $1 in
	*"nfvd &"*) assert 'nfvctl show >/dev/null' "README: nfvd runs" ;;
	qemu-system-x86_64*) guest_answers ;;
	esac
}

guest_answers()
{
	QEMU=$!
	check "README: the guest answers" "$GUEST" wait "$STATE/vm1.agent" 240
	check "README: its port is up" wait_for "state_is vm1 up" 10
}

# Comments go; a command ends with the line with which it is whole.
command='' what=''
while IFS= read -r line <&3; do
	case $line in
	"#> "*) what+="${line#"#> "}"$'\n'; continue ;;
	[a-zA-Z/]*) ;;
	" "*) [ -n "$open" ] || continue ;;
	*) continue ;;
	esac
	line=$(sed 's/  *# .*//' <<<"$line")
	if [ -z "${open:-}" ] && [ -n "$command" ]; then
		one "$command" "$what"
		command='' what=''
	fi
	command+=${command:+$'\n'}$line
	open=
	if [[ $line = *\\ ]] || ! bash -n <<<"$command" 2>/dev/null; then open=1; fi
done 3< <(awk '/^## Late copy/ { skip = 1 } /^## The kernel module/ { skip = 0 } /^## Layout/ { skip = 1 } /^## Measuring/ { skip = 0 }
	skip { next } /^    / { print substr($0, 5) }' "$README")
[ -z "$command" ] || one "$command" "$what"

# Commands within the text.
while IFS= read -r command; do
	[ -z "${seen[$command]:-}" ] || continue
	command=${command/vm9 addr 10.0.0.9/vm1 addr 10.0.0.3}
	command=${command/FILE/"$WORK/saved"}
	one "${command/NAME/c1}" ""
done < <(grep -oE '`[^`]*`' "$README" | tr -d '`' |
	grep -E '^(([A-Z_]+=[^ ]+ )*make [a-z]|nfvctl [a-z]|tools/[a-z.]* )' | sort -u)

[ -z "${QEMU:-}" ] || kill -KILL "$QEMU"
finish
