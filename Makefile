# The commands the README names. Each works on a fresh Debian 12 machine with Rust, Node and a C compiler: what
# else is needed is installed by package name.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run build web check test test-rust test-web sim sim-planted e2e autobahn old-kernels bench bench-layers load-2000 headline steps storm overload slow-agents soak million kill-loop image clean

DATA ?= data
LISTEN ?= 127.0.0.1:8080
METRICS ?= 127.0.0.1:9090
CHROMIUM ?= /usr/bin/chromium
FAKETIME := /usr/bin/faketime
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
RELEASE := target/release
SCENARIO := loadtest/scripts/scenario.sh $(RELEASE)
KILLS ?= 100
SEEDS ?= 1000
# A ring registers as many connections as a process may open files, and visitors spread unevenly over shards.
MILLION_SHARDS ?= 64
PLANTED := early-ack forgotten-ids cut-too-far leaked-notes kept-seat normal-first forgotten-tail

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
	cargo test --workspace --locked --no-fail-fast

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

autobahn: ## The Autobahn suite, all 517 cases, over each backend; compression is on for those about it
	cargo build --release --locked -p bench --bin ringdesk-echo
	bench/scripts/autobahn.sh $(RELEASE) target/autobahn

bench: build ## What is promised, beside the floor, other people's servers and the disk's own time; ten minutes
	mkdir -p target/bench
	cargo build --release --locked -p net --example floor
	cargo build --release --locked --manifest-path bench/baselines/Cargo.toml --target-dir target/baselines
	$(RELEASE)/ringdesk-compare --ours $(RELEASE) --baselines target/baselines/release --folder target/bench
	$(RELEASE)/ringdesk-bench --ringdesk $(RELEASE)/ringdesk --folder target/bench

bench-layers: ## What each layer costs by itself: time, and allocations an operation
	cargo bench --locked -p bench --bench layers

old-kernels: web ## The server on real kernels 5.10, 6.1 and 6.12 in QEMU, and with io_uring in its way
	bench/scripts/old-kernels/build.sh target/old-kernels/bin
	bench/scripts/old-kernels.sh target/old-kernels/bin target/old-kernels

load-2000: build ## 2,000 sessions for a minute over each backend, with proof of zero loss
	loadtest/scripts/two-thousand.sh $(RELEASE)

headline: build ## 20,000 sessions on one machine, with proof of zero loss; the report is target/headline/report.html
	$(SCENARIO) twenty-thousand target/headline

steps: build ## 1,000 to 20,000 messages a second over 20,000 sessions
	$(SCENARIO) steps target/steps

storm: build ## 20,000 sessions drop and resume at once
	$(SCENARIO) storm target/storm

# Server and generator have a core each: else the generator's share of the load would be taken from the server.
overload: build ## Twice the load that the server can sustain
	SERVER_CPUS=0 LOAD_CPUS=1 $(SCENARIO) overload target/overload

slow-agents: build ## One agent in ten hardly reads
	$(SCENARIO) slow-agents target/slow-agents

soak: build ## An hour of 5,000 sessions
	$(SCENARIO) soak target/soak

million: build ## A million sessions in one server process; needs 16 GB of free memory
	SHARDS=$(MILLION_SHARDS) HEARTBEAT_MS=300000 $(SCENARIO) idle-million target/million

kill-loop: build ## Kills the server KILLS times under load; nothing acknowledged may be lost. First: that loss is found
	loadtest/scripts/kill-loop.sh $(RELEASE) 3 forget
	SHARDS="2 1 3" LEASE_MS=2000 loadtest/scripts/kill-loop.sh $(RELEASE) $(KILLS)

image: web ## A FROM-scratch image of the static binary, with buildah
	deploy/build-image.sh

clean: ## Removes what was built; data stays
	cargo clean
	rm -rf web/dist web/node_modules
