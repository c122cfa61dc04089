#!/bin/sh
# A stand-in that the tests of SQL Server's errors use links OpenSSL; sluice itself does not. Nothing is done where its
# headers are there.
set -eu
if pkg-config --exists openssl 2>/dev/null; then
    exit 0
fi
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}
if command -v apt-get >/dev/null; then
    as_root apt-get update --quiet && as_root apt-get install --quiet --yes libssl-dev pkg-config
elif command -v dnf >/dev/null; then
    as_root dnf install --quiet --assumeyes openssl-devel pkgconf-pkg-config
elif command -v apk >/dev/null; then
    as_root apk add openssl-dev pkgconf
elif command -v brew >/dev/null; then
    brew install openssl pkg-config
fi
pkg-config --exists openssl || {
    echo "The tests need OpenSSL's headers and pkg-config: install libssl-dev (or openssl-devel) and pkg-config." >&2
    exit 1
}
