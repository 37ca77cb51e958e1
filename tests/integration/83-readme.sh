#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# limit: 900
# alone
#
# The commands in README.md and the folders' READMEs, verbatim and in order. Those that need no machine of their own run
# here, and must print what the page shows. For each of the others, the named file must contain it.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"

unset MAKEFLAGS MAKELEVEL MFLAGS DESTDIR prefix sysconfdir
export BUILD NFV_ACCEL=tcg
PAGES=(README.md tests/bench/README.md tools/packaging/README.md tools/packaging/cockpit/README.md kmod/README.md kmod/xen/README.md dataplane/README.md
	ctl/README.md tests/README.md tests/hostile/README.md tools/guests/README.md)
cd "$TOP" || exit

# Commands that are not run here, and where they are run: FILE:WORDS in it. Long benches are run by make.
declare -A elsewhere=(
	["make demo"]='tests/fresh.sh:result "make demo" make demo'
	["make check"]='tests/fresh.sh:result "make check" make -s check'
	["make check-fresh"]='tests/fresh.sh:result "make check"'
	["make check-xen"]='tests/run:tests/$stage/run'
	["make check-loaded"]='Makefile:tests/loaded tests/run'
	["make check-kernel"]='Makefile:tests/run kernel'
	["make check-kernel-debug"]='Makefile:tests/kernel/run debug'
	["make check-bench"]='Makefile:tests/bench/smoke.sh'
	["make lint"]='tests/run:tests/lint.sh'
	["make install"]='tests/integration/80-install.sh:make_ install'
	["make uninstall"]='tests/integration/80-install.sh:make_ uninstall'
	["make && make install && systemctl daemon-reload && systemctl restart nfvd"]='tests/integration/80-install.sh:make_ install'
	["systemctl enable --now nfvd"]='tests/integration/80-install.sh:systemd-analyze verify'
	["systemctl is-active nfvd"]='tests/integration/80-install.sh:READY=1'
	["systemctl disable --now nfvd"]='tests/integration/80-install.sh:systemd-analyze verify'
	["journalctl -u nfvd -o cat --no-pager"]='tests/integration/80-install.sh:systemd-analyze verify'
	["rm -rf /var/lib/nfvd"]='tests/integration/80-install.sh:/var/lib/nfvd'
	["dkms remove nfv/0.1.0 --all"]='Makefile:dkms remove nfv/'
	["make module && insmod kmod/nfv.ko"]='tests/machine/build-module.sh:make'
	["make install-dkms"]='tests/machine/build-module.sh:make'
	["make module"]='tests/machine/build-module.sh:make'
	["insmod kmod/nfv.ko"]='tests/lib.sh:insmod "$NFV_KO"'
	["make install-dkms && modprobe nfv"]='tests/machine/build-module.sh:make'
	["nfvctl attach veth c1 dev veth-c1"]='tests/kernel/suite/30-switch.sh:with it'
	["nfvctl show c1 | grep via"]='tests/kernel/suite/30-switch.sh:port_via c1 module'
	["nfvctl module upgrade"]='tests/kernel/suite/38-upgrade.sh:module upgrade'
	["insmod kmod/nfv.ko; nfvd &"]='tests/lib.sh:insmod "$NFV_KO"'
	["nfvctl attach xen vm3 domid 3"]='tests/xen/suite/20-nfv.sh:attach xen'
	["nfvctl detach vm3"]='tests/xen/suite/20-nfv.sh:nfvctl detach'
	["make bench"]='tests/bench/smoke.sh:bench bench '
	["make bench-counts"]='tests/bench/smoke.sh:bench bench-counts '
	["make bench-restart"]='tests/bench/smoke.sh:bench bench-restart '
	["make bench-kernel"]='tests/bench/smoke.sh:bench bench-kernel '
	["make bench-xen"]='Makefile:tests/bench/xen.sh'
	["make bench-draft"]='tests/bench/smoke.sh:bench bench-draft '
	["nfvctl bench draft"]='tests/integration/50-draft.sh:bench'
	["ROUNDS=1 CASES=tcp make bench-xen"]='Makefile:tests/bench/xen.sh'
	["GUEST_MIB=160 ROUNDS=3 CASES=tcp-xen-xen make bench-xen"]='Makefile:tests/bench/xen.sh'
	["make bench-policy"]='tests/bench/smoke.sh:bench bench-policy '
	["make bench-observe"]='tests/bench/smoke.sh:bench bench-observe '
	["nfvctl top"]='tests/integration/26-seeing.sh:nfvctl top'
	["nfvctl events --follow"]='tests/integration/26-seeing.sh:events --follow'
	["nfvctl export"]='tests/integration/27-export.sh:export'
	["nfvctl capture --dropped"]='tests/integration/28-capture.sh:--dropped'
	["nfvctl capture [PORT...] [--dropped] [--reason R] ['FILTER']"]='tests/integration/28-capture.sh:--reason'
	["nfvctl trace PORT"]='tests/integration/28-capture.sh:trace'
	["nfvctl mirror add m1 from vm1,c1 to probe"]='tests/integration/26-mirror.sh:mirror add'
	["nfvctl why A B"]='tests/integration/29-why.sh:why'
	["nfvctl bench sizing A B"]='tests/integration/29-why.sh:sizing'
	["tools/setup.sh draft"]='Makefile:tools/setup.sh'
)

# In place of README's "...": a kernel, and an agent that bench can use.
image=$(tools/guests/build-image.sh "$NFVCTL") || { skip "README" "a guest's image"; finish; }
own="-accel tcg,thread=multi -M q35 -nodefaults -display none -kernel $image/vmlinuz -initrd $image/initrd"
own+=" -chardev socket,id=agent,path=$STATE/vm1.agent,server=on,wait=off -serial file:$WORK/vm1.log -serial chardev:agent"
append="console=ttyS0 quiet panic=1 no_timer_check nfv.agent=ttyS1 nfv.ip=10.0.0.3/24"

# Install where README says; the files disappear with the namespace.
for dir in /usr/local /etc; do
	mkdir -p "$WORK/over$dir" "$WORK/work$dir"
	mount -t overlay overlay -o "lowerdir=$dir,upperdir=$WORK/over$dir,workdir=$WORK/work$dir" $dir ||
		{ skip "README" "overlayfs"; finish; }
done
PATH=/usr/local/sbin:$PATH
hash -r

# Numbers differ each time, the text between them does not. The steps of attach have times.
same_shape() { sed 's/\x1b\[[0-9;]*m//g; s/[0-9][0-9.]*/N/g; s/  */ /g; s/ $//' "$1"; }

# Replace what other packages bring: libvirt's user; a podman that makes a network namespace. And a device as uplink.
id libvirt-qemu >/dev/null 2>&1 || echo 'libvirt-qemu:x:64055:64055::/:/bin/false' >>/etc/passwd
podman()
{
	case $1 in
	run)
		unshare -n sleep 1000 &
		CONTAINER=$!
		wait_for "[ ! /proc/$CONTAINER/ns/net -ef /proc/self/ns/net ]"
		;;
	inspect) echo "$CONTAINER" ;;
	esac
}
ip link add eth1 type veth peer name wire && ip link set eth1 up && ip link set wire up

listed() { local at=${elsewhere[$1]:-}; [ -n "$at" ] && grep -qF -- "${at#*:}" "${at%%:*}"; }

# one COMMAND WHAT: run it, or check that the named file contains it
declare -A seen=()
one()
{
	local command=$1 what=$2 key=${1%% ARGS=*} status=0 out=$WORK/out

	seen[$command]=1
	if [ -n "${elsewhere[$key]:-}" ]; then
		check "$PAGE: $command: by ${elsewhere[$key]%%:*}" listed "$key"
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
		fail "$PAGE: $1" "it shows otherwise (>) than the page says (<):" "$(cat "$WORK/diff")"
	elif [ $status != 0 ] && [[ $what != "nfvctl: "* ]]; then
		fail "$PAGE: $1" "status $status" "$(cat "$WORK/out")"
	else
		pass "$PAGE: $1"
	fi
	case $1 in
	*"nfvd &"*) assert 'nfvctl show >/dev/null' "$PAGE: nfvd runs" ;;
	qemu-system-x86_64*) guest_answers ;;
	esac
}

guest_answers()
{
	QEMU=$!
	check "$PAGE: the guest answers" "$GUEST" wait "$STATE/vm1.agent" 240
	check "$PAGE: its port is up" wait_for "state_is vm1 up" 10
}

# page FILE - check its blocks of commands. Comments are removed; a command may span several lines.
page()
{
	local command='' what='' open='' line

	PAGE=$1
	while IFS= read -r line <&3; do
		case $line in
		"#> "*) what+="${line#"#> "}"$'\n'; continue ;;
		[a-zA-Z/]*) ;;
		" "*) [ -n "$open" ] || continue ;;
		*) continue ;;
		esac
		line=$(sed 's/  *# .*//' <<<"$line")
		if [ -z "$open" ] && [ -n "$command" ]; then
			one "$command" "$what"
			command='' what=''
		fi
		command+=${command:+$'\n'}$line
		open=
		if [[ $line = *\\ ]] || ! bash -n <<<"$command" 2>/dev/null; then open=1; fi
	done 3< <(awk '/^```/ { in_block = $0 == "```sh"; next } in_block' "$1")
	[ -z "$command" ] || one "$command" "$what"
}

# text FILE - check commands within its text
text()
{
	local command

	PAGE=$1
	while IFS= read -r command <&3; do
		[ -z "${seen[$command]:-}" ] || continue
		seen[$command]=1
		command=${command/vm9 addr 10.0.0.9/vm1 addr 10.0.0.3}
		command=${command/FILE/"$WORK/saved"}
		one "${command/NAME/c1}" ""
	done 3< <(grep -oE '`[^`]*`' "$1" | tr -d '`' |
		grep -E '^(([A-Z_]+=[^ ]+ )*make [a-z]|nfvctl [a-z]|tools/[a-z.]*\.sh )')
}

for file in "${PAGES[@]}"; do
	page "$file"
done
for file in "${PAGES[@]}"; do
	text "$file"
done
[ "$(wc -l <README.md)" -le 120 ] && pass "README.md has at most 120 lines" || fail "README.md has at most 120 lines"

[ -z "${QEMU:-}" ] || kill -KILL "$QEMU"
finish
