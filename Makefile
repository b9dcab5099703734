# One command everywhere: what the README says is what CI runs.

CARGO ?= cargo

.PHONY: demo test lint check-deploy fuzz bench loadtest compare platform tools help

demo: ## Play the sample title carried in the binary: prints the address of a player page
	$(CARGO) run --release -- demo

test: tools lint ## Everything that proves the project; installs what it needs
	$(CARGO) test --quiet --doc
	$(CARGO) nextest run --no-fail-fast

lint: tools ## Format, clippy, documentation and dependencies, warnings as errors
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps --document-private-items
	PATH="$(CURDIR)/.tools/cargo/bin:$$PATH" $(CARGO) deny check bans licenses sources

check-deploy: ## Everything in deploy, by the tools of its own trade; PARTS="terraform monitoring" picks some
	$(CARGO) build
	sh deploy/check/all.sh $(PARTS)

fuzz: ## Every parser of untrusted bytes, FUZZ_SECONDS (60) each; TARGETS="jwt range" picks some
	sh fuzz/run.sh $(TARGETS)

bench: ## The criterion benches, held to their budgets
	$(CARGO) bench

loadtest: tools ## Viewers by k6, half a minute against a release build: loadtest/k6/README.md
	$(CARGO) build --release
	python3 loadtest/k6/run.py --caudal "$${CARGO_TARGET_DIR:-target}/release/caudal"

compare: ## caudal beside nginx, Varnish and Caddy, 25 minutes: loadtest/compare/README.md
	sh loadtest/compare/tools.sh
	$(CARGO) build --release
	$(CARGO) build --release --locked --manifest-path loadtest/h3load/Cargo.toml --target-dir "$${CARGO_TARGET_DIR:-target}/h3load"
	python3 loadtest/compare $(ARGS)

platform: ## Store, caudal, nginx as the CDN, Prometheus, Alertmanager on this machine: docs/platform.md
	sh deploy/check/platform/tools.sh
	$(CARGO) build --release
	deploy/platform/up.py $(ARGS)

tools: ## What tests and lints run beside caudal, into .tools
	sh tests/tools.sh

help: ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14
