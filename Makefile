# The commands the README names. Each works on a fresh Debian 12 machine with Rust, Node and a C compiler: what
# else is needed is installed by package name.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run build web check test test-rust test-web sim sim-planted e2e autobahn old-kernels bench load-2000 kill-loop image clean

DATA ?= data
LISTEN ?= 127.0.0.1:8080
METRICS ?= 127.0.0.1:9090
CHROMIUM ?= /usr/bin/chromium
FAKETIME := /usr/bin/faketime
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
RELEASE := target/release
KILLS ?= 100
SEEDS ?= 1000
PLANTED := early-ack forgotten-ids cut-too-far leaked-notes kept-seat normal-first

help: ## Lists the commands
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

run: build ## Builds and starts the desk, and prints where to go
	$(RELEASE)/ringdesk serve --listen $(LISTEN) --metrics $(METRICS) --data $(DATA)

build: web ## Builds the release binaries: ringdesk, ringdesk-load, ringdesk-echo
	cargo build --release --workspace --locked

web: web/dist/.built ## Builds the widget and the console

web/node_modules/.installed: web/package-lock.json
	cd web && npm ci --no-audit --no-fund
	touch $@

WEB_SOURCES := $(shell find web -type f -not -path '*/node_modules/*' -not -path '*/dist/*' -not -path '*/e2e/*' 2>/dev/null)
web/dist/.built: web/node_modules/.installed $(WEB_SOURCES)
	cd web && npm run build
	touch $@

check: web/node_modules/.installed ## Formats, lints, licences: what a review must not spend eyes on
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	command -v cargo-deny >/dev/null || cargo install cargo-deny --locked
	cargo deny --log-level error check licenses bans sources
	cd web && npm run check

test: check test-web build test-rust sim-planted sim kill-loop e2e ## All tests; installs what they need

test-rust: $(FAKETIME) ## Unit, property and process tests
	cargo test --workspace --locked

sim: ## SEEDS simulated lives of the server under every fault; make sim SEED=7 replays one and tells all of it
	cargo run --locked -p sim -- $(if $(SEED),--seed $(SEED),--seeds $(SEEDS))

sim-planted: ## The proof that the simulator can fail: each planted fault must be found within 1,000 seeds
	for planted in $(PLANTED); do \
		cargo run --locked -q -p sim --features planted-bugs -- --seeds 1000 --planted $$planted --expect-failure; \
	done

test-web: web/node_modules/.installed ## Unit tests of the web side
	cd web && npm test

e2e: build $(CHROMIUM) ## The whole desk in a real Chromium
	cd web && CHROMIUM=$(CHROMIUM) RINGDESK=$(abspath $(RELEASE)/ringdesk) npm run e2e

$(FAKETIME):
	$(SUDO) apt-get update
	$(SUDO) apt-get install -y --no-install-recommends faketime

$(CHROMIUM):
	$(SUDO) apt-get update
	$(SUDO) apt-get install -y --no-install-recommends chromium fonts-noto-cjk

autobahn: ## The Autobahn suite's 301 cases of plain WebSocket, over each backend
	cargo build --release --locked -p bench --bin ringdesk-echo
	bench/scripts/autobahn.sh $(RELEASE) target/autobahn

bench: build ## What is promised of starts, recoveries and acks, beside the disk's own time; some minutes
	mkdir -p target/bench
	$(RELEASE)/ringdesk-bench --ringdesk $(RELEASE)/ringdesk --folder target/bench

old-kernels: web ## The server on real kernels 5.10, 6.1 and 6.12 in QEMU, and with io_uring in its way
	bench/scripts/old-kernels/build.sh target/old-kernels/bin
	bench/scripts/old-kernels.sh target/old-kernels/bin target/old-kernels

load-2000: build ## 2,000 sessions for a minute over each backend, with proof of zero loss
	loadtest/scripts/two-thousand.sh $(RELEASE)

kill-loop: build ## Kills the server KILLS times under load; nothing acknowledged may be lost. First: that loss is found
	loadtest/scripts/kill-loop.sh $(RELEASE) 3 forget
	SHARDS="2 1 3" LEASE_MS=2000 loadtest/scripts/kill-loop.sh $(RELEASE) $(KILLS)

image: build ## A FROM-scratch image of the static binary, with buildah
	deploy/build-image.sh

clean: ## Removes what was built; data stays
	cargo clean
	rm -rf web/dist web/node_modules
