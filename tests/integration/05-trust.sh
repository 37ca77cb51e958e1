#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Scripts that run as root trust only root: they refuse a cache that others own or can write, no environment variable
# keeps a script out of its namespaces, and names of temporary files cannot be guessed.

. "$(dirname "$0")/../lib.sh"
ns_enter "$@"
cd "$TOP" || exit

# --- the cache ---------------------------------------------------------------------

refused()
{
	local name=$1 words=$2 output status=0

	shift 2
	output=$("$@" 2>&1 </dev/null) || status=$?
	if [ $status = 0 ] || ! grep -q -- "$words" <<<"$output"; then
		fail "$name" "status $status: $output"
	else
		pass "$name"
	fi
}
cached() { XDG_CACHE_HOME=$WORK/$1 "${@:2}"; }
load() { bash -c '. tools/guests/cache.sh && echo "$cache"'; }

mkdir -p "$WORK"/{good,theirs,open,inner,entry}/nfv-fastpath "$WORK/sticky"
check "cache: of root's" cached good load
chmod 1777 "$WORK/sticky"
check "cache: in a folder like /tmp" cached sticky/mine load
check "cache: made for its owner to write" [ "$(stat -c %a "$WORK/sticky/mine/nfv-fastpath")" = 755 ]
chown 65534 "$WORK/theirs"
refused "cache: below another user's folder" "$WORK/theirs belongs to user 65534" cached theirs load
chmod 777 "$WORK/open"
refused "cache: below one where others write" "others can write in $WORK/open" cached open load
chmod 1777 "$WORK/inner/nfv-fastpath"
refused "cache: itself open" "others can write in $WORK/inner/nfv-fastpath" cached inner load
touch "$WORK/entry/nfv-fastpath/uml-xstate.so"
chown 65534 "$WORK/entry/nfv-fastpath/uml-xstate.so"
refused "cache: a file of another user's" "uml-xstate.so is somebody else's" cached entry load
ln -s "$WORK/theirs" "$WORK/link"
refused "cache: by a link to another user's" "$WORK/theirs belongs to user 65534" cached link load

users=("tests/prepare" "tests/machine/machine true" "tests/machine/machine-image.sh 6.1" "tests/machine/fetch-kernel.sh 6.1"
	"tests/xen/fetch-xen.sh" "tests/xen/domu-image.sh 6.1" "tests/bench/fetch-ovs.sh" "tools/guests/build-image.sh"
	"tools/guests/guest accel" "tools/guests/unikernel/build.sh" "tools/guests/unikernel/fetch-lwip.sh"
	"tools/guests/draft/container image" "tools/guests/draft/tinyx/build.sh kvm" "tools/guests/draft/standardvm/build.sh"
	"tests/machine/debug-kernel.sh")
mkdir "$WORK/good/tmp" && chmod 700 "$WORK/good/tmp"
refused "temporary folder: below another user's" "$WORK/theirs belongs to user 65534" \
	cached good env TMPDIR="$WORK/theirs" tests/run nosuch
for user in "${users[@]}"; do
	# shellcheck disable=SC2086 # a list of words
	refused "cache: refused by ${user%% *}" "belongs to user 65534" cached theirs $user
done
check_fails "cache: no script finds it in another way" \
	grep -rl '}/nfv-fastpath' tests tools --include='*' --exclude=cache.sh --exclude=05-trust.sh --exclude='README*'
refused "cache: nothing is made within a test" "not made within a test; try: tests/prepare" \
	cached good env NFV_PREPARED=1 tools/guests/build-image.sh

# --- namespaces ----------------------------------------------------------------------

cat >"$WORK/inside" <<EOT
. $TOP/tools/namespaces.sh
case \$1 in
word) ns_word ;;
*) ns_inside "\$@" ;;
esac
EOT
word=$(bash "$WORK/inside" word)
in_new() { unshare --pid --fork --kill-child "$@"; }
check "namespaces: who is inside" in_new unshare --mount bash "$WORK/inside" arg "$word"
check_fails "namespaces: variables say nothing" env NFV_TEST_NS=1 NFV_DEMO_NS=1 NFV_BENCH_INSIDE=1 EVIL_NS=1 bash "$WORK/inside" arg
check_fails "namespaces: nor the argument alone" bash "$WORK/inside" arg --outside=mnt:[1]
check_fails "namespaces: nor to process 1 of the same mounts" in_new bash "$WORK/inside" arg "$word"
check_fails "namespaces: nor process 1 without it" in_new unshare --mount bash "$WORK/inside" arg
check_fails "namespaces: no script asks a variable" grep -rnE '_(NS|INSIDE):-' tests tools --include='*' --exclude=05-trust.sh

# --- temporary names -------------------------------------------------------------------

# Other users can take a name derived from mktemp's file in /tmp, because they can see that file.
beside()
{
	local file name found=

	while IFS= read -r file; do
		for name in $(sed -nE 's/^[[:space:]]*([a-z_]+)=\$\(mktemp\)$/\1/p' "$file"); do
			grep -nE "\\\$(\{$name\}|$name)\.[a-z]" "$file" /dev/null && found=1
		done
	done < <(grep -rlE '=\$\(mktemp\)$' tests tools .ci)
	[ -n "$found" ]
}
check_fails "temporary names: none beside a file of mktemp's" beside
check_fails "temporary names: none that can be guessed" \
	grep -rnE '[>= "](/tmp|/var/tmp)/[A-Za-z0-9._-]*(\$\$|\$RANDOM)' tests tools .ci

# --- the host's services -----------------------------------------------------------------

# But in a chroot, or in a systemd of the test's own; and what is said to a reader: pages, whose commands 83-readme.sh has a
# list of, alerts, units, the Cockpit page and its test.
services()
{
	grep -rnE 'systemctl|update-rc\.d|update-alternatives' tests tools --exclude=05-trust.sh --exclude=83-readme.sh --exclude='README*' \
		--exclude='*.yml' --exclude='*.service' --exclude='*.js' |
		grep -vE 'chroot "\$1"|inside systemctl'
}
check_fails "services: no script changes one" services
check_fails "services: set-up installs no other switch" grep -n 'openvswitch' tools/setup.sh
finish
