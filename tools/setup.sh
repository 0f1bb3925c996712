# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# Sourced by quickstart and check from the repository root: installs what is missing, sets the
# build folder up. Quiet unless something goes wrong.

# Debian packages that building needs; check adds its own.
rt0_packages='gcc binutils meson ninja-build pkg-config musl-tools musl-dev libelf-dev libdw-dev libjansson-dev python3'

die() {
	echo "$0: $*" >&2
	exit 1
}

# need PACKAGE...: makes sure that all of them are installed.
need() {
	missing=
	for p; do
		dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q '^install ok installed' || missing="$missing $p"
	done
	[ -n "$missing" ] || return 0
	command -v apt-get >/dev/null || die "please install (Debian's names):$missing"
	sudo=
	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null || die "not root and no sudo; please install:$missing"
		sudo=sudo
	fi
	echo "installing$missing"
	log=$(mktemp)
	# shellcheck disable=SC2086  # lists of words
	if ! $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $missing >"$log" 2>&1; then
		$sudo apt-get update -q >>"$log" 2>&1 || true
		$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $missing >>"$log" 2>&1 || {
			tail -20 "$log" >&2
			die "apt-get could not install:$missing"
		}
	fi
	rm -f "$log"
}

# build [TARGET...]: configures build/ if it is not, and compiles.
build() {
	log=$(mktemp)
	{ [ -f build/build.ninja ] || meson setup build --cross-file tools/meson/musl-x86_64.ini; } >"$log" 2>&1 &&
		ninja -C build "$@" >>"$log" 2>&1 || {
		tail -40 "$log" >&2
		die "the build failed"
	}
	rm -f "$log"
}
