#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the scripts share: saying what is done and after how many seconds, and installing what is missing. To be sourced.

say() { printf '[%4ds] %s\n' "$SECONDS" "$*"; }
fail() {
    printf '[%4ds] %s\n' "$SECONDS" "$*" >&2
    exit 1
}

# What a fresh Debian 12 lacks for Swift 6.3, with the reason for each. Found by building in an empty system.
debian_packages=(
    "libc6-dev          the headers of the C library"
    "libstdc++-12-dev   what Swift links programs with"
    "binutils           the linker"
    "libsqlite3-0       Swift's build system keeps its state in it"
    "libncurses6        Swift's build system needs it to start"
    "libcurl4           Swift's package manager needs it to start"
    "libxml2            Swift's package manager needs it to start"
    "libzstd-dev        files are delivered compressed with it"
    "liblz4-dev         the same"
    "libdeflate-dev     the same"
    "zlib1g-dev         tests open those files with it"
    "git                Swift's package manager fetches packages with it"
    "ca-certificates    for fetching them over HTTPS"
    "python3            the process tests compute hash keys with it, as a second opinion"
)

# install_missing: installs the packages above that are not there, on Debian 12; elsewhere it only says what they are.
install_missing() {
    local entry name missing=() id="" version=""
    if [ -r /etc/os-release ]; then
        id=$(. /etc/os-release && echo "${ID:-}")
        version=$(. /etc/os-release && echo "${VERSION_ID:-}")
    fi
    if [ "$id" != debian ] || [ "$version" != 12 ] || ! command -v apt-get >/dev/null; then
        say "not Debian 12, so nothing is installed; the build needs what Debian calls:" \
            "$(printf '%s\n' "${debian_packages[@]}" | awk '{ printf "%s ", $1 }')"
        return
    fi
    # shellcheck disable=SC2086 # the words of the reason
    for entry in "${debian_packages[@]}"; do
        name=${entry%% *}
        case $(dpkg-query -W -f='${Status}' "$name" 2>/dev/null) in
        *" installed") ;;
        *)
            missing+=("$name")
            say "installing $name:" ${entry#"$name"}
            ;;
        esac
    done
    if [ ${#missing[@]} -eq 0 ]; then
        say "all Debian packages that the build needs are installed"
        return
    fi
    local root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || fail "not root, and there is no sudo: as root run apt-get install ${missing[*]}"
        root=(sudo)
    fi
    local log
    log=$(mktemp)
    # An old list of packages may name versions that are no longer served.
    if ! { "${root[@]}" apt-get -o DPkg::Lock::Timeout=300 update &&
        "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y \
            --no-install-recommends "${missing[@]}"; } </dev/null >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        fail "apt-get could not install ${missing[*]}"
    fi
    rm -f "$log"
}

# need_swift: Swift 6.3 or newer, or the end.
need_swift() {
    command -v swift >/dev/null || fail "no swift in the PATH; Weir needs Swift 6.3: https://www.swift.org/install"
    local text version
    text=$(swift --version 2>/dev/null) || fail "swift does not start: $(swift --version 2>&1 | head -n 3)"
    version=$(sed -n 's/.*Swift version \([0-9]*\)\.\([0-9]*\).*/\1 \2/p' <<<"$text" | head -n 1)
    [ -n "$version" ] || fail "swift --version says nothing that I understand: $text"
    # shellcheck disable=SC2086 # two numbers
    set -- $version
    [ "$1" -gt 6 ] || { [ "$1" -eq 6 ] && [ "$2" -ge 3 ]; } || fail "this is Swift $1.$2; Weir needs 6.3 or newer"
    say "Swift $1.$2 on $(uname -m), $(nproc) cores"
}
