# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# DomUs: start, plug, run commands, reboot, destroy; their vifs and grants. Sourced by lib.sh.

declare -A BOOTED=()		# length of the console's output from earlier boots
declare -A DOMID=()
declare -A CONSOLE=()		# descriptors of the consoles' other ends
console_of() { echo "/var/log/xen/console/guest-$1.log"; }
domu_names() { xl list | awk 'NR > 1 && $1 != "Domain-0" && $1 != "(null)" { print $1 }'; }
vifs_of() { ls -d "/sys/bus/xen-backend/devices/vif-$1-"*; }

# domu_start NAME [A.B.C.D/N] [--front DRIVER] [VIF-OPTIONS]... - start a domU, and wait until it takes
# commands and its eth0, which gets the address, is connected. It has $DOMU_MEM MB and $DOMU_VCPUS CPUs
# (and queues). DRIVER (nfv-netfront, evilfront; nfv-netfront,lend=1 with a parameter) replaces the
# kernel's xen-netfront. tsc_mode: without it Xen would emulate each read of the TSC, which is not marked
# as invariant here. Initcalls that are left out save a quarter of the boot time; netfront does not need them.
domu_start()
{
	local name=$1 ip=${2:-} front='' vif vifs=

	shift $(($# < 2 ? $# : 2))
	if [ "${1:-}" = --front ]; then
		front=$2
		shift 2
	fi
	for vif; do
		vifs+="'$vif',"
	done
	[ -e "$INITRD" ] || { initrd_with >"$INITRD.new" && mv "$INITRD.new" "$INITRD"; } || return
	cat >"$WORK/$name.cfg" <<-EOT
		name = "$name"
		type = "pv"
		memory = $DOMU_MEM
		vcpus = $DOMU_VCPUS
		kernel = "$DOMU_KERNEL"
		ramdisk = "$INITRD"
		tsc_mode = "native"
		extra = "console=hvc0 quiet loglevel=4 mitigations=off norandmaps panic=-1 $NOT_STARTED nfv.name=$name${ip:+ nfv.ip=$ip}${front:+ nfv.front=$front}"
		vif = [ $vifs ]
		on_crash = "destroy"
		on_reboot = "restart"
		on_poweroff = "destroy"
	EOT
	rm -f "$(console_of "$name")"
	BOOTED[$name]=0
	xl create -q "$WORK/$name.cfg" && domu_wait "$name"
}

NOT_STARTED="rodata=off cryptomgr.notests initcall_blacklist=jent_mod_init,load_system_certificate_list"
NOT_STARTED+=,bpf_tcp_ca_kfunc_init,bpf_dummy_struct_ops_init,init_encrypted,crypto_kdf108_init

# Add the project's drivers, and modules for VLAN devices and bridges, as a second archive. Once for all scripts.
INITRD=/run/xen/initrd
initrd_with()
{
	local root=$WORK/root file name module

	mkdir -p "$root/modules"
	for file in "${NFV_KO%/*}/nfv-netfront.ko" "${NFV_EVILFRONT:-}"; do
		[ ! -e "$file" ] || cp "$file" "$root/modules/" || return
	done
	for module in 8021q bridge; do
		for file in $(modprobe --show-depends $module | awk '$1 == "insmod" { print $2 }'); do
			name=${file##*/}
			case $file in
			*.xz) xz -dc "$file" >"$root/modules/${name%.xz}" ;;
			*) cp "$file" "$root/modules/" ;;
			esac || return
			echo "${name%.xz}" >>"$root/modules/$module"
		done
	done
	cat "$DOMU_INITRD" && (cd "$root" && find modules | cpio --create --format=newc --quiet)
}

# domu_plug NAME A.B.C.D/N|"" [--front DRIVER] VIF-OPTIONS - as domu_start, but a running domU gets this
# interface and driver. A domU of an earlier script cannot reboot: its xl ended with that script.
domu_plug()
{
	local name=$1 ip=$2 front=xen-netfront

	if ! domu_exec "$name" true 2>/dev/null; then
		xl destroy "$name" 2>/dev/null
		domu_start "$@"
		return
	fi
	shift 2
	if [ "$1" = --front ]; then
		front=$2
		shift 2
	fi
	domu_unplug "$name" && domu_exec "$name" "sh /init front $front" || return
	# shellcheck disable=SC2086 # options, one by one
	xl network-attach "$name" ${1//,/ } && { [ -z "$ip" ] || domu_exec "$name" "sh /init net $ip"; }
}

# domu_vlan NAME A.B.C.D/N - make eth0.100 in a domU, with that address
domu_vlan()
{
	domu_exec "$1" "for m in \$(cat /modules/8021q); do insmod /modules/\$m 2>/dev/null; done
		ip link add link eth0 name eth0.100 type vlan id 100 && ip addr add $2 dev eth0.100 && ip link set eth0.100 up"
}

# domu_start_far NAME VIF-OPTIONS - start a domU whose eth0 is bridged to a second vif, of xen-netback, whose other end is
# eth0 of namespace NAME in dom0. So a program that acts as a guest by a packet socket there acts as a Xen guest.
domu_start_far()
{
	local mac=00:16:3f:00:00:0$1

	domu_start "$1" "" "$2" "mac=$mac,script=vif-test" && domu_exec "$1" "
		for m in \$(cat /modules/bridge); do insmod /modules/\$m; done
		echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
		ip link add br0 type bridge && grep -q $mac /sys/class/net/eth1/address || exit
		echo 0 >/sys/class/net/br0/bridge/multicast_snooping
		for dev in eth0 eth1; do
			ip link set \$dev master br0 && echo 0 >/sys/class/net/\$dev/brport/learning && ip link set \$dev up || exit
		done
		ip link set br0 up" || return
	ip netns add "$1" && in_ns "$1" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 &&
		ip link set "vif$(domid "$1").1" netns "$1" name eth0 && ip -n "$1" link set eth0 up &&
		wait_for "in_ns $1 cat /sys/class/net/eth0/carrier | grep -q 1"
}

# again TYPE NAME [OPTION]... - attach a port in place of the one with this name
again()
{
	nfvctl detach "$2" >/dev/null 2>&1
	nfvctl attach "$@" >/dev/null && { [ "$1" = kvm ] || wait_for "state_is $2 up"; }
}

# guests_far - start nfvd with ports a, b and c: two domUs by domu_start_far, and a container through the module. For
# scripts that run the table of cases, after sourcing tests/policy/lib.sh.
guests_far()
{
	local name

	PATH=$(dirname "$NFVCTL"):$PATH
	cp "$TOP/tools/xen/vif-nfv" /etc/xen/scripts/
	modprobe -q xen-netback
	check "nfv.ko comes" load || finish
	start_nfvd
	for name in a b; do
		check "guest $name" domu_start_far $name mac=00:16:3e:00:00:0$name,script=vif-nfv
		check "it is a port" wait_for "state_is $name up"
	done
	silent c
	check "container c" again veth c dev veth-c mode module
}

# domu_unplug NAME - remove its vif
domu_unplug()
{
	local id

	id=$(domid "$1") || return
	vifs_of "$id" >/dev/null 2>&1 || return 0
	xl network-detach "$1" 0 && wait_for "! vifs_of $id" 10 &&
		domu_exec "$1" 'while [ -e /sys/class/net/eth0 ]; do usleep 50000; done'
}

# follow FIRST FILE - make the file's bytes from FIRST on, and new ones, readable at $fd, until $tail is killed. This does
# not poll, because polling would take CPU time from the domUs.
follow()
{
	exec {fd}< <(exec tail -c "+$1" -s 0.2 -F "$2" 2>/dev/null)
	tail=$!
}

# domu_wait NAME - wait until it is up and connected, also after a reboot.
domu_wait()
{
	local log start=$((${BOOTED[$1]:-0} + 1)) output fd tail status=0

	log=$(console_of "$1")
	follow $start "$log"
	timeout $((180 * ${NFV_PATIENCE:-1})) grep -q -m 1 '^domu-init: ready' <&"$fd" || status=1
	kill "$tail"
	exec {fd}<&-
	[ $status = 0 ] || { said "$log"; return 1; }
	domu_found "$1" || return
	output=$(tail -c +$start "$log")
	! grep '^domu-init: not in time' <<<"$output"
}

# said FILE - print a console's oops from its first line on, or else its last lines
said() { awk '/BUG: |\[#1\]/ { oops = 1 } oops' "$1" | head -n 60 | grep . || tail -n 20 "$1"; }

# domu_found NAME - look up its new domain id after a start, a reboot or a restore.
domu_found()
{
	local fd=${CONSOLE[$1]:-} tty

	[ -z "$fd" ] || exec {fd}>&-
	BOOTED[$1]=$(stat -c %s "$(console_of "$1")")
	DOMID[$1]=$(xl domid "$1") && tty=$(xenstore-read "/local/domain/${DOMID[$1]}/console/tty") && exec {fd}<>"$tty" &&
		CONSOLE[$1]=$fd
}

# domu_restore NAME FILE
domu_restore() { xl restore "$2" && domu_found "$1"; }

# domu_exec NAME COMMAND [SECONDS] - run a command in the domU; its output and exit status. 137: it was killed at the
# limit (60); 124: the domU does not respond. Only one command at a time.
domu_exec()
{
	local line part='' begun='' got status=124 limit=$((${3:-60} * ${NFV_PATIENCE:-1})) id=$BASHPID-$RANDOM$RANDOM fd late ask

	fd=${CONSOLE[$1]:-} late=$((SECONDS + limit + 15))
	ask="$id $limit ${2//$'\n'/$'\1'}"
	[ -n "$fd" ] && echo "$ask" >&"$fd" || return 124
	while [ $SECONDS -lt $late ]; do
		IFS= read -r -t 10 -u "$fd" line && got=0 || got=$?
		if [ $got -gt 128 ]; then
			part+=$line
			# A console may lose a line.
			[ -n "$begun" ] || echo "$ask" >&"$fd"
			continue
		fi
		[ $got = 0 ] || break
		line=$part${line%$'\r'} part=
		case $line in
		"$id begin") begun=1 ;;
		"$id|"*) printf '%s\n' "${line#"$id|"}" ;;
		"$id end "[0-9]*) status=${line##* }; break ;;
		esac
	done
	return "$status"
}
guest_exec() { domu_exec "$@"; }

# domu_reboot NAME - as the guest itself does; waits until it is up again, with another id.
domu_reboot()
{
	local id

	id=$(domid "$1") || return
	# The domU reboots without a response.
	echo "0 10 reboot -f" >&"${CONSOLE[$1]}"
	domu_wait "$1" && [ "$(domid "$1")" != "$id" ]
}

# domu_kill NAME - destroy it, and wait until the domain is gone, that is until nobody has its pages mapped.
domu_kill()
{
	local id

	id=$(domid "$1") || return
	xl destroy "$1" && wait_for "! domain_exists $id" 20 && unset "DOMID[$1]"
}

domid() { [ -z "${DOMID[$1]:-}" ] && xl domid "$1" || echo "${DOMID[$1]}"; }
domain_exists() { xl list | awk -v id="$1" '$(NF - 4) == id { found = 1 } END { exit !found }'; }

# domu_none - destroy all domUs, including those of earlier scripts
domu_none()
{
	local name

	for name in $(domu_names); do
		xl destroy "$name"
	done
}

# driver_of NAME [NUMBER] - print the backend driver of its vif
driver_of()
{
	local driver

	driver=$(readlink "/sys/bus/xen-backend/devices/vif-$(domid "$1")-${2:-0}/driver") && echo "${driver##*/}"
}

# rebind NAME DRIVER [NUMBER] - bind the vif of a running domU to that driver ("vif" is
# xen-netback), and take the steps that xl takes for a new vif.
rebind()
{
	local id number=${3:-0} vif path device=/sys/bus/xen-backend/devices

	id=$(domid "$1") || return
	vif=vif-$id-$number path=/local/domain/0/backend/vif/$id/$number
	[ ! -e "$device/$vif/driver" ] || echo "$vif" >"$device/$vif/driver/unbind" || return
	echo "$vif" >"/sys/bus/xen-backend/drivers/$2/bind" || return
	XENBUS_PATH=$path vif=vif$id.$number "$(xenstore-read "$path/script")" online
	# XenbusStateConnected
	wait_for "[ \$(xenstore-read $path/state) = 4 ]" 10
}

# grants_left DOMID|all - print how many of its grants are in use, by Xen's count. A running domU has two, for its
# console and its xenstore ring.
grants_left()
{
	xl dmesg -c >/dev/null
	xl debug-keys g
	xl dmesg | awk -v domain="$1" '
		/grant-table for remote/ { match($0, /remote d[0-9]+/); id = substr($0, RSTART + 8, RLENGTH - 8) }
		/\[0x[0-9a-f]+\]/ && (domain == "all" || id == domain) { n++ }
		END { print n + 0 }'
}

# granted DOMID|all N - wait until N grants are in use
granted() { wait_for "[ \$(grants_left $1) = $2 ]" 20 || { grants_left "$1"; return 1; }; }
