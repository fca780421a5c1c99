# What is fetched and built lies in the user's cache folder: ${KEES_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kees}.
SHELL := /bin/bash

.PHONY: test setup unit e2e bench model storm fuzz fmt lint deny cluster

test: setup unit e2e ## all tests; says what it needs when something is missing

setup: ## fetches and builds what the tests need, once
	tests/setup

unit: ## those that start nothing
	. tests/paths && cargo test --locked --no-fail-fast

e2e: ## those on a real cluster, with DynamoDB Local and moto
	tests/run

bench: ## measures what is shipped, writes docs/benchmarks.md
	tests/bench

model: ## every interleaving of creating once, with KEES_MODEL_FAULTS kills and faults of the network in a run (3)
	. tests/paths && KEES_MODEL_FAULTS=$${KEES_MODEL_FAULTS:-3} \
	  cargo test --release --locked -p kees-store model -- --nocapture

storm: ## the storm at length: two minutes for each store, with the seed KEES_STORM_SEED
	KEES_STORM_SECONDS=$${KEES_STORM_SECONDS:-120} KEES_STORM_PROCESSES=$${KEES_STORM_PROCESSES:-12} tests/run --test storm -- --nocapture

fuzz: ## each fuzzing target for FUZZ_SECONDS (60)
	tests/fuzz $${FUZZ_SECONDS:-60}

cluster: ## a shell with that cluster, until it is left
	tests/setup && tests/images && tests/cluster/isolate tests/cluster/shell

fmt:
	cargo fmt --all

lint: ## as CI does
	. tests/paths && cargo fmt --all --check && cargo clippy --locked --workspace --all-targets -- -D warnings

deny: ## licences, bans and sources of all dependencies
	tests/deny
