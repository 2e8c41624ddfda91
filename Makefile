# The list of verbs. `make demo` and `make test` are all a newcomer needs.
SHELL := /bin/bash
NODE_MODULES := node_modules/.package-lock.json
BIN := node_modules/.bin
SHIM_SOURCES := $(wildcard native/*.c native/*.h)

.PHONY: build check test test-unit test-root demo bench gen clean setup-test

build: build/js/.done build/bin/berth-shim build/bin/berth build/bin/berthd build/bin/berth-containerd ## everything that runs

$(NODE_MODULES): package.json package-lock.json
	npm ci --ignore-scripts --no-fund --no-audit
	@touch $@

build/js/.done: $(NODE_MODULES) tsconfig.json $(shell find src bin test bench tools -name '*.ts')
	$(BIN)/tsc -p tsconfig.json
	@touch $@

build/bin/berth-shim: $(SHIM_SOURCES) native/Makefile
	@mkdir -p build/bin
	$(MAKE) -C native OUT=$(CURDIR)/build/bin/berth-shim

build/bin/berth: build/js/.done
	@mkdir -p build/bin
	$(BIN)/bun build --compile --minify --bytecode bin/berth.ts --outfile build/bin/berth >/dev/null

build/bin/berthd build/bin/berth-containerd: build/bin/%: build/js/.done
	@mkdir -p build/bin
	@printf '#!/usr/bin/env node\nimport("../js/bin/%s.js")\n' $* > $@ && chmod 755 $@

check: $(NODE_MODULES) ## types, lint, generated files
	$(BIN)/tsc -p tsconfig.json
	$(BIN)/biome check --error-on-warnings .

test-unit: build ## no root, no network
	node --test --test-reporter=spec $$(find build/js/src build/js/test -name '*.test.js' -not -path '*/integration/*')

gen: $(NODE_MODULES) ## proto/ to src/gen
	$(BIN)/buf generate

clean:
	rm -rf build
