#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# fresh.sh [ARG]... - run README's two commands, make demo and make check, on a new machine: a minimal Debian 12 with
# make, the last commit and an empty cache. ARGs are for make check.
#
# apt uses this host's sources. Everything runs in namespaces, in a folder as root directory. When this script ends, even
# by a signal, the folder is removed and all processes in it end. Needs root, 20 GB in ${TMPDIR:-/tmp}, and an hour. The
# last line counts the results.
set -eu -o pipefail
cd "$(dirname "$0")/.."
. tools/namespaces.sh

# result NAME COMMAND... - run the command, show its output, print a result.
result()
{
	local name=$1 start=$SECONDS status=0

	shift
	echo "== fresh: $name"
	"$@" </dev/null || status=$?
	if [ $status = 0 ]; then
		echo "ok - fresh: $name ($((SECONDS - start)) s)"
		passed=$((passed + 1))
	else
		echo "not ok - fresh: $name: status $status ($((SECONDS - start)) s)"
		failed=$((failed + 1))
	fi
}

# inside DIR [ARG]... - the part that runs as process 1 of the new machine.
inside()
{
	local dir=$1 root=$1/root passed=0 failed=0 skipped=0 last

	shift
	echo "== fresh: Debian 12"
	mmdebstrap --quiet --mode=root --variant=minbase --include=make,ca-certificates --aptopt="$dir/apt.conf" \
		bookworm "$root" - <"$dir/sources.list" >"$dir/log" 2>&1 ||
		{ tail -n 20 "$dir/log" >&2; echo "fresh.sh: mmdebstrap failed" >&2; return 1; }
	cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
	# Copy the certificates that this host trusts: it may reach npm through a proxy.
	[ ! -d /usr/local/share/ca-certificates ] || cp -r /usr/local/share/ca-certificates "$root/usr/local/share/"
	chroot "$root" update-ca-certificates >"$dir/log" 2>&1
	git clone -q --no-local . "$root/nfv-fastpath"
	mount --bind "$root" "$root"
	mount -t proc proc "$root/proc"
	mount --rbind /sys "$root/sys"
	mount --rbind /dev "$root/dev"
	mount -t tmpfs tmpfs "$root/dev/shm"
	mount -t tmpfs tmpfs "$root/run"
	cd "$root"
	mkdir .host
	pivot_root . .host
	exec </dev/null
	umount -l /.host
	rmdir /.host
	cd /nfv-fastpath
	hash -r

	result "make demo" make demo
	result "make check" make -s check ARGS="$*" > >(tee /count)
	wait $!
	# Add these two results to the count of make check.
	last=$(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' /count | tail -n 1)
	if [[ $last =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped$ ]]; then
		passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2])) skipped=${BASH_REMATCH[3]}
	fi
	echo "$passed passed, $failed failed, $skipped skipped"
	[ $failed = 0 ]
}

if ns_inside "$@"; then
	inside "${@:1:$#-1}"
	exit
fi

. tools/guests/cache.sh
. tests/bench/hugepages.sh
[ "$(id -u)" = 0 ] || { echo "fresh.sh: needs root, to make namespaces" >&2; exit 1; }
[ -z "$(git status --porcelain --untracked-files=no)" ] || echo "fresh.sh: what is not committed is not tested"

# Remove the folder also if this script is killed: when all holders of this pipe have ended.
dir=$(mktemp -d "${TMPDIR:-/tmp}/nfv-fresh.XXXXXX")
only_ours "$dir"
# First release the huge pages that a test in it has left.
exec {alive}> >(trap '' INT TERM HUP; exec setsid bash -c '. "$0"; cat >/dev/null; huge_give_back "$1/root/hugepages"; rm -rf --one-file-system "$1"' \
	"$HUGE_SELF" "$dir")
janitor=$! child=
# shellcheck disable=SC2154 # set when it runs
trap 'status=$?; [ -z "$child" ] || { kill -KILL "$child"; wait "$child"; } 2>/dev/null || true
	exec {alive}>&-; wait "$janitor" || true; exit $status' EXIT
trap 'exit 130' HUP INT TERM

apt_open
apt-config dump | grep '^Acquire::.* "..*";' >"$dir/apt.conf" || true
debian_sources >"$dir/sources.list"
keep=()
for name in http_proxy https_proxy no_proxy; do
	[ -z "${!name:-}" ] || keep+=("$name=${!name}")
done
setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child --mount-proc env -i "${keep[@]}" HOME=/root NFV_HUGEPAGES=/hugepages LANG=C.UTF-8 TERM=dumb \
	PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin bash tests/fresh.sh "$dir" "$@" "$(ns_word)" &
child=$!
status=0
wait $child || status=$?
child=
exit $status
