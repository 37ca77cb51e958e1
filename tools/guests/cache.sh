# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# The cache of images and other files that scripts fetch or build. When sourced, it sets $cache and
# makes that folder. Its files are booted, loaded and run as root, so it is refused if another user
# could have put something there.
#
#	only_ours FOLDER	refused if somebody else could put something there
#	making WHAT		before something is fetched or built: not within a test
#	apt_open		apt with lists of our own, its options in $apt_options
#	debs_unpack DIR PACKAGE[=VERSION]...	packages there, not installed; after apt_open
#	debian_sources		sources of Debian 12, for mmdebstrap; after apt_open

umask 022
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/nfv-fastpath

cache_refused() { echo "${0##*/}: $*" >&2; exit "${cache_status:-1}"; }

# Check that the folder and all its parents belong to root or the caller, and that nobody else can write
# there. A parent with the sticky bit, like /tmp, is allowed: users can only remove their own files there.
only_ours()
{
	local folder path paths=() uid mode

	folder=$(realpath "$1")
	for ((path = 1; path < ${#folder}; path++)); do
		[ "${folder:path:1}" != / ] || paths+=("${folder:0:path}")
	done
	while read -r uid mode path; do
		[ "$uid" = 0 ] || [ "$uid" = $EUID ] || cache_refused "$path belongs to user $uid; set XDG_CACHE_HOME, or TMPDIR, to a folder of your own"
		mode=$((8#$mode))
		[ $((mode & 8#022)) = 0 ] || { [ $((mode & 8#1000)) != 0 ] && [ "$path" != "$folder" ]; } ||
			cache_refused "others can write in $path; try: chmod go-w '$path'"
	done < <(stat -c '%u %a %n' / "${paths[@]}" "$folder")
}

# Check the entries of the cache, too.
cache_check()
{
	local foreign

	mkdir -p "$cache" || cache_refused "cannot make $cache"
	cache=$(realpath "$cache")
	only_ours "$cache"
	foreign=$(find "$cache" -ignore_readdir_race -maxdepth 1 \( ! -uid 0 ! -uid $EUID -o -perm /022 ! -type l \) -print -quit)
	[ -z "$foreign" ] || cache_refused "$foreign is somebody else's, or others can write to it; try: rm -r '$foreign'"
}
cache_check

making()
{
	[ -z "${NFV_PREPARED:-}" ] || cache_refused "$1 is not in $cache, and is not made within a test; try: tests/prepare"
}

# The system's apt is not changed. A separate sources.list adds backports if the system's does not
# have them.
apt_open()
{
	local apt=$cache/apt lock uri keys=/usr/share/keyrings/debian-archive-keyring.gpg

	mkdir -p "$apt"/{lists,cache/archives}/partial
	apt_options=(-q -o "Dir::Etc::SourceList=$apt/sources.list" -o "Dir::State::Lists=$apt/lists"
		-o "Dir::Cache=$apt/cache" -o APT::Sandbox::User=root)
	exec {lock}>"$apt/lock"
	flock "$lock"
	# Update at most once an hour.
	if [ -z "$(find "$apt/updated" -mmin -60 2>/dev/null)" ]; then
		{ cat /etc/apt/sources.list 2>/dev/null || true; } >"$apt/sources.list"
		apt_update
		if [ -z "$(apt_targets . "Debian Backports" bookworm-backports)" ]; then
			uri=$(apt_targets "\$(REPO_URI)" Debian bookworm | sort -u | head -n 1)
			[ -n "$uri" ] || cache_refused "no source of bookworm in /etc/apt"
			[ -e $keys ] || keys=
			echo "deb ${keys:+[signed-by=$keys] }$uri bookworm-backports main" >>"$apt/sources.list"
			apt_update
		fi
		touch "$apt/updated"
	fi
	exec {lock}>&-
}

apt_update()
{
	apt-get "${apt_options[@]}" -o Acquire::Retries=3 -o APT::Update::Error-Mode=any update >"$cache/apt/log" 2>&1 </dev/null ||
		{ tail -n 25 "$cache/apt/log" >&2; cache_refused "apt-get update failed"; }
}

# apt_targets FORMAT ORIGIN CODENAME
apt_targets() { apt-get "${apt_options[@]}" indextargets --format "$1" "Created-By: Packages" "Origin: $2" "Codename: $3"; }

debian_sources()
{
	local suite

	for suite in bookworm bookworm-security bookworm-updates; do
		apt_targets "deb \$(REPO_URI) \$(RELEASE) \$(COMPONENT)" Debian $suite
	done | sort -u
}

debs_unpack()
{
	local dir=$1 debs deb log=$cache/apt/download-log.$BASHPID

	shift
	debs=$(mktemp -d "$cache/build.XXXXXX")
	if ! (cd "$debs" && apt-get "${apt_options[@]}" -o Acquire::Retries=3 download "$@") >"$log" 2>&1 </dev/null; then
		tail -n 25 "$log" >&2
		rm -rf "$debs" "$log"
		cache_refused "apt-get download failed"
	fi
	for deb in "$debs"/*.deb; do
		dpkg -x "$deb" "$dir" || cache_refused "cannot unpack ${deb##*/}"
	done
	rm -rf "$debs" "$log"
}
