#!/bin/bash
# Builds what old-kernels.sh runs in its guests, without a shared library among it, and puts it into FOLDER.
# Usage: build.sh FOLDER
set -euo pipefail
folder=$1
target="$(uname -m)-unknown-linux-gnu"
export RUSTFLAGS="-C target-feature=+crt-static"
cargo build --release --locked --target "$target" -p engine -p loadtest
cargo build --release --locked --target "$target" -p net --example without_io_uring
suite=$(cargo test --release --locked --target "$target" -p net --test conformance --no-run --message-format json |
    sed -n 's/.*"executable":"\([^"]*conformance[^"]*\)".*/\1/p' | tail -1)
mkdir -p "$folder"
cp "target/$target/release/ringdesk" "target/$target/release/ringdesk-load" \
    "target/$target/release/examples/without_io_uring" "$folder"
cp "$suite" "$folder/conformance"
