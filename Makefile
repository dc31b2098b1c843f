# Thin targets; `make demo` and `make test` are all that a newcomer needs.

CARGO := cargo
TEST_ARGS ?=

.PHONY: build demo demo-vm test test-sriov lint bench bench-promote bench-failover bench-restart chaos clean packages qemu

packages:
	@scripts/install-packages

# A QEMU with SR-IOV, from the release's backports where its own is too old.
qemu: packages
	@qemu-system-x86_64 -device help 2>&1 | grep -q '"igb"' || tests/guest/install-qemu-backports

build: packages
	$(CARGO) build --locked --release --workspace
	$(CARGO) build --locked --release -p vswitch --features fault-injection --bin vswitch-faults

demo: build
	@target/release/demo $(ARGS)

demo-vm: build
	@target/release/demo-vm $(ARGS)

test: build lint qemu
	scripts/test $(TEST_ARGS)

test-sriov: build qemu
	RUST_TEST_THREADS=1 $(CARGO) test --locked --release --workspace --test sriov -- --nocapture

lint: packages
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --release --workspace --all-targets -- -D warnings

chaos: build
	@target/release/chaos $(ARGS)

bench: bench-promote bench-failover bench-restart

bench-failover: build
	@target/release/bench-failover $(ARGS)

# On this host, and on one VF in a machine of QEMU.
bench-restart: build qemu
	@target/release/bench-restart --rig $(ARGS)

bench-promote: build
	@target/release/bench-promote $(ARGS)

clean:
	$(CARGO) clean
