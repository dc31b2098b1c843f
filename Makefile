# Thin targets; `make demo` and `make test` are all that a newcomer needs.

CARGO := cargo
TEST_ARGS ?=

.PHONY: build demo demo-vm test lint bench bench-promote bench-failover chaos clean packages

packages:
	@scripts/install-packages

build: packages
	$(CARGO) build --locked --release --workspace
	$(CARGO) build --locked --release -p vswitch --features fault-injection --bin vswitch-faults

demo: build
	@target/release/demo $(ARGS)

demo-vm: build
	@target/release/demo-vm $(ARGS)

test: build lint
	scripts/test $(TEST_ARGS)

lint: packages
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --release --workspace --all-targets -- -D warnings

chaos: build
	@target/release/chaos $(ARGS)

bench: bench-promote bench-failover

bench-failover: build
	@target/release/bench-failover $(ARGS)

bench-promote: build
	@target/release/bench-promote $(ARGS)

clean:
	$(CARGO) clean
