# The list of verbs. `make demo` and `make test` are all a newcomer needs.
SHELL := /bin/bash
MODULES := node_modules/.package-lock.json
BIN := node_modules/.bin
# The binary itself: its package's install script, which would link it, is not run.
BUN := node_modules/@oven/bun-linux-$(if $(filter aarch64,$(shell uname -m)),aarch64,x64)/bin/bun
TYPESCRIPT := $(shell find src bin test bench tools -name '*.ts')
DAEMONS := berthd berth-containerd berth-registry
# Started often and for a moment: one executable each.
COMPILED := berth berth-runc containerd-shim-berth-v2
NATIVE := build/bin/berth-shim build/bin/berth-init
DAEMON_ENTRIES := $(DAEMONS:%=bin/%.js) src/containerd/diff/layer-worker.js src/containerd/trees/tree-worker.js \
  src/engine/container/mounts/copy-up-worker.js src/engine/volume/mount-worker.js \
  src/engine/files/files-worker.js
# Daemons that mostly wait: a small young generation and one thread for the collector are a fifth less memory, and not slower. V8's --optimize-for-size
# would save a little more, but collects the whole heap anew for every few megabytes of blobs that pass: a load of large layers is slower by much.
NODE_FLAGS := --max-semi-space-size=1 --v8-pool-size=1

# What the tests and the demo drive or compare with: Debian's own packages, installed where they are missing.
DEMO_PACKAGES := busybox-static docker-registry skopeo nftables curl psmisc iproute2 procps
TEST_PACKAGES := $(DEMO_PACKAGES) debootstrap attr libcap2-bin zstd bsdutils docker.io docker-cli python3-docker openssl git strace libseccomp-dev crun podman buildah systemd dbus criu bash-completion zsh fish chromium apparmor libfaketime
CONFORMANCE_PACKAGES := golang-go runc crun bats gawk jq uidmap bsdutils gcc libseccomp-dev pkg-config

.PHONY: help build check test test-unit test-root fuzz fuzz-native demo bench gen clean conformance

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

build: build/js/.done build/lib/.done $(NATIVE) $(addprefix build/bin/,$(COMPILED) $(DAEMONS)) ## everything that runs, into build/bin

# Not `npm ci`: it insists on the packages of every platform, which a mirror may not have.
$(MODULES): package.json package-lock.json
	npm install --no-save --ignore-scripts --no-fund --no-audit --loglevel=error
	@touch $@

build/js/.done: $(MODULES) tsconfig.json $(TYPESCRIPT)
	$(BIN)/tsc -p tsconfig.json
	@touch $@

$(NATIVE) &: $(wildcard native/*.c native/*.h) native/Makefile
	@mkdir -p $(@D)
	$(MAKE) -s -C native OUT=$(CURDIR)/build/bin/berth-shim

# Neither .env nor bunfig.toml of the working directory, which may be anybody's.
$(COMPILED:%=build/bin/%): build/bin/%: build/js/.done
	@mkdir -p $(@D)
	$(BUN) build --compile --minify --bytecode --format=esm --no-compile-autoload-dotenv --no-compile-autoload-bunfig $(BUN_FLAGS) bin/$*.ts --outfile $@ >/dev/null

# It lives for milliseconds: code that a command does not need is not even mapped, and none is worth compiling to machine code.
build/bin/berth-runc: BUN_FLAGS := --splitting --compile-jit-policy=20

# The daemons' modules in a few files: they start in two thirds of the time.
build/lib/.done: build/js/.done
	rm -rf $(@D)
	$(BUN) build --target=node --splitting --minify-syntax --minify-whitespace --external lmdb --external koffi \
	  --outdir $(@D) --entry-naming '[name].js' $(addprefix build/js/,$(DAEMON_ENTRIES)) >/dev/null
	@touch $@

$(addprefix build/bin/,$(DAEMONS)): build/bin/%: build/lib/.done Makefile
	@mkdir -p $(@D)
	@printf '#!/usr/bin/env -S node $(NODE_FLAGS)\nimport("../lib/%s.js")\n' $* >$@ && chmod 755 $@

check: $(MODULES) ## types, lint, format, conventions
	$(BIN)/tsc -p tsconfig.json --noEmit --incremental false
	$(BIN)/tsc -p src/registry/page/browser
	$(BIN)/biome check --error-on-warnings .

test: ## installs what the tests need and runs all of them (root, Linux)
	tools/require.sh $(TEST_PACKAGES)
	$(MAKE) build
	$(MAKE) test-unit test-root

test-unit: build ## no root, no network, seconds
	node --test --test-reporter=$(REPORTER) $$(find build/js/src build/js/test -name '*.test.js' -not -path '*/integration/*' | sort)

# Mount and network namespaces of their own, so that nothing of a test can stay and no firewall of the host's is in the way; files run one after
test-root: build ## real kernel, real processes, real clients
	@test -n "$$(find build/js/test/integration -name '$(TESTS)')" || { echo "no test is named $(TESTS)"; exit 1; }
	node build/js/test/harness/prepare.js
	unshare --mount --net --propagation private sh -c 'ip link set lo up; exec "$$@"' sh node build/js/test/harness/run-files.js $$(find build/js/test/integration -name '$(TESTS)' | sort)

# FUZZ_SEED and FUZZ_ONLY, which a failure prints, show it again. The C part needs gcc with its sanitizers.
SANITIZED := gcc -std=gnu11 -g -O1 -Wall -Wextra -fsanitize=address,undefined -fno-sanitize-recover=all
FUZZERS := build/fuzz-native build/fuzz-steps build/fuzz-log

fuzz: build $(FUZZERS) ## every parser against broken input, FUZZ_SECONDS each
	node build/js/test/fuzz/run.js
	$(MAKE) -s fuzz-native

fuzz-native: $(FUZZERS) ## the C alone
	@seed=$${FUZZ_SEED:-$$RANDOM}; for program in $^; do $$program $(FUZZ_SECONDS) $$seed || exit 1; done

build/fuzz-native: test/fuzz/native.c native/plan.c native/control.c native/outbox.c native/shim.h
build/fuzz-steps: test/fuzz/steps.c native/plan.c native/birth.c $(wildcard native/steps*.c) native/shim.h
build/fuzz-log: test/fuzz/log.c native/log.c native/log-entry.c native/shim.h
build/fuzz-log: private SANITIZED += -Wl,--wrap=open,--wrap=write
$(FUZZERS):
	@mkdir -p $(@D)
	$(SANITIZED) -o $@ $(filter %.c,$^)

# SUITE=runtime-tools, runc or registry, PROGRAMS=… for some of a runtime suite's programs. Sources come from the Go module proxy into build/, and stay there;
# that needs the host's network, which the tests are not given.
conformance: ## other people's tests: of OCI runtimes, ours beside runc and crun, and of registries
	tools/require.sh $(TEST_PACKAGES) $(CONFORMANCE_PACKAGES)
	$(MAKE) build
ifneq ($(SUITE),registry)
	node build/js/test/conformance/prepare.js $(SUITE)
	unshare --mount --net --propagation private sh -c 'ip link set lo up; exec "$$@"' sh node build/js/test/conformance/run.js $(SUITE) $(PROGRAMS)
endif
ifneq ($(filter registry,$(or $(SUITE),registry)),)
	node build/js/test/conformance/registry.js prepare
	unshare --mount --net --propagation private sh -c 'ip link set lo up; exec "$$@"' sh node build/js/test/conformance/registry.js
endif

FUZZ_SECONDS ?= 5
export FUZZ_SECONDS
REPORTER ?= spec
TESTS ?= *.test.js
BENCH ?= engine images containerd runtime registry

demo: ## one image from a registry to a running process, through every part
	tools/require.sh $(DEMO_PACKAGES)
	$(MAKE) build
	node build/js/tools/demo.js

# BENCH=runtime for one of them. Each writes a section of its own, and of engine each part: BENCH_ONLY=ps,cp for some. BENCH_SCALE=0.05 shows in a
# minute that they work, and writes nothing. Network namespaces of their own, for the bridges and the firewall of both daemons.
bench: ## side by side with the real dockerd, podman, containerd, runc, crun and docker-registry; writes bench/RESULTS.md
	tools/require.sh $(TEST_PACKAGES)
	$(MAKE) build
	node build/js/test/harness/prepare.js
	for each in $(BENCH); do unshare --mount --net --propagation private sh -c 'ip link set lo up; exec "$$@"' sh node build/js/bench/$$each.js || exit 1; done

gen: $(MODULES) ## proto/ and the registry's page to src/gen, docs/differences.md, docs/api-coverage.md
	$(BIN)/buf generate
	$(MAKE) build/js/.done && node build/js/tools/gen-syscalls.js src/gen && node build/js/tools/gen-page.js . && node build/js/tools/gen-differences.js docs/differences.md && node build/js/tools/gen-api-coverage.js .

clean: ## removes build/
	rm -rf build
