# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# Sourced by quickstart and check from the repository root: installs what is missing, sets the
# build folder up. Quiet unless something goes wrong.

# What building needs, by Debian's names; check adds its own.
rt0_packages='gcc binutils meson ninja-build pkg-config musl-tools musl-dev
	libelf-dev libdw-dev libjansson-dev python3'

die() {
	echo "$0: $*" >&2
	exit 1
}

installed() {
	dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q '^install ok installed'
}

# install_packages PACKAGE...: as root, by apt-get; says nothing unless it fails.
install_packages() {
	sudo=
	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null || die "not root and no sudo; please install: $*"
		sudo=sudo
	fi
	apt="$sudo env DEBIAN_FRONTEND=noninteractive apt-get -qy"
	log=$(mktemp)
	if ! $apt install --no-install-recommends "$@" >"$log" 2>&1 &&
		! { $apt update && $apt install --no-install-recommends "$@"; } >"$log" 2>&1; then
		tail -20 "$log" >&2
		die "apt-get could not install: $*"
	fi
	rm -f "$log"
}

# need PACKAGE...: makes sure that the build's packages and these are installed.
need() {
	missing=
	for p in $rt0_packages "$@"; do
		installed "$p" || missing="$missing $p"
	done
	[ -n "$missing" ] || return 0
	command -v apt-get >/dev/null || die "please install (Debian's names):$missing"
	echo "installing$missing"
	# shellcheck disable=SC2086  # a list
	install_packages $missing
}

# build [TARGET...]: configures build/ if it is not, and compiles.
build() {
	log=$(mktemp)
	if ! { [ -f build/build.ninja ] ||
		meson setup build --cross-file tools/meson/musl-x86_64.ini; } >"$log" 2>&1 ||
		! ninja -C build "$@" >>"$log" 2>&1; then
		tail -40 "$log" >&2
		die "the build failed"
	fi
	rm -f "$log"
}
