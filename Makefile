# The commands the README names.
.PHONY: test build
test:
	cargo test --workspace --locked
build:
	cargo build --release --workspace --locked
