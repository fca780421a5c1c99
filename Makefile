# Downloads and builds are in the user's cache folder: ${KEES_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kees}.
SHELL := /bin/bash

.PHONY: test setup unit e2e bench model storm rotation fuzz fmt lint crates deny advisories workflows docs cluster packages \
  release release-check sign publish

test: setup unit e2e ## all tests; prints what is missing on this machine

setup: ## downloads and builds what the end-to-end tests need, once
	tests/setup

unit: ## the tests that start nothing
	. tests/paths && cargo test --locked --no-fail-fast

e2e: ## the tests on a real cluster, with DynamoDB Local and moto
	tests/run

bench: ## measures the programs as they are released, and writes docs/benchmarks.md
	tests/bench

model: ## checks every interleaving of the protocol, with KEES_MODEL_FAULTS (2) times the kills and faults of `cargo test`
	. tests/paths && KEES_MODEL_FAULTS=$${KEES_MODEL_FAULTS:-2} \
	  cargo test --profile bench --locked -p kees-store-testing --no-default-features --test model -- --nocapture

storm: ## the storm for two minutes with each store; KEES_STORM_SEED sets the seed
	KEES_STORM_SECONDS=$${KEES_STORM_SECONDS:-120} KEES_STORM_PROCESSES=$${KEES_STORM_PROCESSES:-12} tests/run --test storm -- --nocapture

rotation: ## a pair is rotated for five minutes while pods and controllers are killed and calls fail
	KEES_ROTATION_SECONDS=$${KEES_ROTATION_SECONDS:-300} tests/run --test controller -- --nocapture rotating::

fuzz: ## each fuzzing target for FUZZ_SECONDS (60)
	tests/fuzz $${FUZZ_SECONDS:-60}

cluster: ## a shell with a cluster, which stops when the shell ends
	tests/setup && tests/images && tests/cluster/isolate tests/cluster/shell

fmt:
	cargo fmt --all

lint: ## formatting, clippy, the links of the documents, cycles of imports, and stores named outside their crates
	. tests/paths && cargo fmt --all --check && cargo clippy --locked --workspace --all-targets -- -D warnings
	tests/links
	tests/imports

crates: ## each crate alone, with each of its features; the Rust version; unused dependencies
	tests/crates

deny: ## licences, bans and sources of all dependencies
	tests/deny

advisories: ## published vulnerabilities of all dependencies; downloads the database
	tests/deny advisories

workflows: ## the GitHub workflows
	tests/workflows

docs: ## the documentation site, in target/site; checks its links and its diagrams
	site/build

packages: ## installs what the checks, the tests and a release need, for the machines of CI
	tests/packages

release: ## all files of a release, in dist/; takes half an hour
	release/build

release-check: ## builds a release twice in different folders, and compares the results byte for byte
	release/check

sign: ## signs dist/ with the identity of the workflow
	release/sign

publish: ## pushes the images and the chart of dist/ to REGISTRY, and creates the release on GitHub
	release/publish $${REGISTRY:?}
