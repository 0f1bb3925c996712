#!/bin/sh
# SPDX-License-Identifier: MIT
# fetch.sh PACKAGE DIR: prints the folder of a Debian source package, unpacked below DIR.
#
# What was fetched once stays in DIR. apt works on lists and a cache of its own there, so neither
# root nor the machine's own settings are needed, and nothing of them is changed. Exit status 77,
# meson's "skipped", when it cannot be had here: no apt, no dpkg-source, no network.
set -eu
package=$1
dir=$2

skip() {
	echo "skipped: $*" >&2
	exit 77
}

find_unpacked() {
	for d in "$dir/$package"-[0-9]*/; do
		[ -d "$d" ] && echo "${d%/}" && return
	done
	return 1
}

find_unpacked && exit 0
command -v apt-get >/dev/null || skip "no apt-get to fetch the source of $package with"
command -v dpkg-source >/dev/null || skip "no dpkg-source (package dpkg-dev) to unpack $package"

# The machine's own mirror, in either of apt's two formats.
uri=$(sed -n 's/^URIs:[[:space:]]*\([^[:space:]]*\).*/\1/p' /etc/apt/sources.list.d/*.sources \
	2>/dev/null | head -n 1)
[ -n "$uri" ] || uri=$(sed -n 's/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*\) .*/\2/p' \
	/etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | head -n 1)
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
if [ -z "$uri" ] || [ -z "$suite" ] || [ ! -e "$keyring" ]; then
	skip "not a Debian that knows its mirror: cannot fetch $package"
fi

mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
cd "$dir"
here=$(pwd)
echo "deb-src [signed-by=$keyring] $uri $suite main" >sources.list
set -- "-oDir::Etc::sourcelist=$here/sources.list" -oDir::Etc::sourceparts=/dev/null \
	"-oDir::State::lists=$here/lists" "-oDir::Cache=$here/cache" -oAPT::Sandbox::User=root \
	-oAcquire::http::Timeout=20 -oAcquire::Retries=1
# One at a time: two tests may want to fetch at once.
exec 9>lock
flock 9
find_unpacked && exit 0
apt-get "$@" -q update >fetch.log 2>&1 ||
	skip "no network to fetch $package with: see $here/fetch.log"
apt-get "$@" -q source "$package" >>fetch.log 2>&1 ||
	skip "the source of $package cannot be fetched: see $here/fetch.log"
find_unpacked || skip "apt-get source left no folder of $package"
