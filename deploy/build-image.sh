#!/bin/sh
# Builds the static binary and the image `ringdesk:latest` from it, with buildah and without a daemon.
set -eu
cd "$(dirname "$0")/.."

command -v buildah >/dev/null || {
    sudo=$([ "$(id -u)" = 0 ] || echo sudo)
    $sudo apt-get update
    $sudo apt-get install -y --no-install-recommends buildah
}

target="$(uname -m)-unknown-linux-gnu"
# Random bytes from the system call itself: an empty root may have no /dev/urandom.
RUSTFLAGS='-C target-feature=+crt-static --cfg getrandom_backend="linux_getrandom"' cargo build --release --locked -p engine --target "$target"
mkdir -p target/image/data
cp "target/$target/release/ringdesk" target/image/ringdesk
strip target/image/ringdesk
if readelf -d target/image/ringdesk | grep -q NEEDED; then
    echo "the binary still needs shared libraries; it would not start in an empty image" >&2
    exit 1
fi
buildah --storage-driver vfs bud --isolation chroot -f Dockerfile.linux51 -t ringdesk:latest .
