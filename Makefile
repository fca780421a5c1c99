# What is fetched and built lies in the user's cache folder: ${KEES_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kees}.
SHELL := /bin/bash

.PHONY: test unit e2e fmt lint deny cluster

test: unit e2e ## all tests; says what it needs when something is missing

unit: ## those that start nothing
	. tests/paths && cargo test --locked --no-fail-fast

e2e: ## those on a real cluster, with DynamoDB Local and moto
	tests/run

cluster: ## a shell with that cluster, until it is left
	tests/setup && tests/images && tests/cluster/isolate tests/cluster/shell

fmt:
	cargo fmt --all

lint: ## as CI does
	. tests/paths && cargo fmt --all --check && cargo clippy --locked --workspace --all-targets -- -D warnings

deny: ## licences, bans and sources of all dependencies
	tests/deny
