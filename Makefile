# obpipe: build, run, test. `make help` lists the targets.
# Variables: CC=clang  SANITIZE=address,undefined|thread  BUILD=dir  WERROR=1  V=1
SHELL := /bin/bash
.DEFAULT_GOAL := all

SANITIZE ?=
BUILD ?= build$(if $(SANITIZE),/san-$(firstword $(subst $(comma), ,$(SANITIZE))))
comma := ,
GEN := $(BUILD)/gen
PREFIX ?= /usr/local
Q := $(if $(V),,@)

PACKAGES := rdkafka jansson libpq libmicrohttpd libcrypto libcurl libssh
CFLAGS_ALL = -std=gnu17 -O2 -g -fno-omit-frame-pointer -Wall -Wextra -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wno-unused-parameter -D_GNU_SOURCE -D_FORTIFY_SOURCE=$(if $(SANITIZE),0,2) \
	-fstack-protector-strong -I. -I$(GEN) $(if $(WERROR),-Werror) \
	$(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all) \
	$(shell pkg-config --cflags $(PACKAGES)) $(CFLAGS)
LIBS = $(shell pkg-config --libs $(PACKAGES)) -lcrypt -lpthread
LDFLAGS_ALL = $(if $(SANITIZE),-fsanitize=$(SANITIZE)) -Wl,-z,relro,-z,now $(LDFLAGS)

COMMON := $(wildcard common/*.c)
PRODUCER := $(wildcard producer/*.c)
WORKER := $(wildcard workers/*.c workers/host/*.c workers/obproxy/*.c workers/subtasks/*.c)
CLI := $(wildcard cli/*.c)
UNIT := $(wildcard tests/unit/test_*.c)
INTEGRATION := $(wildcard tests/integration/test_*.c)
SUPPORT := $(wildcard tests/support/*.c)
BENCH := $(wildcard bench/*.c)
FUZZ := $(wildcard tests/fuzz/fuzz_*.c)
obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
COMMON_LIB := $(BUILD)/libcommon.a
PROGRAMS := $(BUILD)/obpipe-producer $(BUILD)/obpipe-worker $(BUILD)/obpipe
UNIT_BINS := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(UNIT))
E2E := $(wildcard tests/e2e/test_*.c)
E2E_BINS := $(patsubst tests/e2e/%.c,$(BUILD)/e2e/%,$(E2E))
INTEGRATION_BINS := $(patsubst tests/integration/%.c,$(BUILD)/integration/%,$(INTEGRATION))
FUZZ_BINS := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(FUZZ))
# Every module but the main functions, for tests.
TESTED_LIB := $(BUILD)/libtested.a
TESTED := $(filter-out %/main.c,$(PRODUCER) $(WORKER) $(CLI))
# The stand-in OBProxy of demo and test hosts, and its package.
STANDIN_VERSION ?= 1.9.1.1
STANDIN_RELEASE ?= 1919579.el7
STANDIN := $(BUILD)/standin/$(STANDIN_VERSION)-$(STANDIN_RELEASE)/obproxy
STANDIN_SOURCES := $(wildcard deploy/hosts/obproxy/*.c)
STANDIN_RPM := $(BUILD)/rpms/obproxy-$(STANDIN_VERSION)-$(STANDIN_RELEASE).x86_64.rpm
# Passwords of the connection user came with 3.2.0.
STANDIN_FLAGS = -DOBPROXY_VERSION='"$(STANDIN_VERSION)"' -DOBPROXY_RELEASE='"$(STANDIN_RELEASE)"' \
	$(if $(filter 1.% 2.% 3.0.% 3.1.%,$(STANDIN_VERSION)),,-DOBPROXY_HAS_PROXYRO)
# What workers run on hosts, as text.
HOST_SCRIPTS := $(BUILD)/obj/gen/host_scripts.o

# Objects are kept: those of tests are intermediate files to make, which would remove them after
# linking and compile them again the next time.
.SECONDARY:
.PHONY: all deps up down status run test test-unit test-integration test-e2e bench bench-growth bench-longtx bench-profile lint format \
	format-check install clean help rpms unit-bins integration-bins e2e-bins
all: $(PROGRAMS) ## build the three programs

$(GEN)/queries.h: schema/embed schema/topics.json $(wildcard schema/queries/*.sql) schema/queries \
		$(wildcard schema/migrations/*.sql schema/templates/*.json) schema/migrations schema/templates
	$(Q)schema/embed $(GEN)
	$(Q)touch $@
$(GEN)/queries.c $(GEN)/embedded.c: $(GEN)/queries.h ;

$(GEN)/host_scripts.c: workers/host/embed $(wildcard workers/host/*.sh workers/obproxy/*.sh)
	@mkdir -p $(@D)
	$(Q)workers/host/embed $@

$(BUILD)/obj/%.o: %.c $(GEN)/queries.h
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -MMD -MP -c $< -o $@
$(BUILD)/obj/gen/%.o: $(GEN)/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -MMD -MP -c $< -o $@
$(COMMON_LIB): $(call obj,$(COMMON)) $(BUILD)/obj/gen/queries.o $(BUILD)/obj/gen/embedded.o
	$(Q)rm -f $@ && ar rcs $@ $^
$(TESTED_LIB): $(call obj,$(TESTED)) $(HOST_SCRIPTS)
	$(Q)rm -f $@ && ar rcs $@ $^

# TSan builds: the threads of librdkafka made visible (see there).
THREADS := $(if $(filter thread,$(SANITIZE)),$(call obj,tests/support/tsan_threads.c))
$(PROGRAMS): $(THREADS)
$(BUILD)/obpipe-producer: $(call obj,$(PRODUCER)) $(COMMON_LIB)
$(BUILD)/obpipe-worker: $(call obj,$(WORKER)) $(HOST_SCRIPTS) $(COMMON_LIB)
$(BUILD)/obpipe: $(call obj,$(CLI)) $(COMMON_LIB)
$(PROGRAMS):
	$(Q)$(CC) $(LDFLAGS_ALL) $^ -o $@ $(LIBS)
$(BUILD)/unit/%: $(BUILD)/obj/tests/unit/%.o $(call obj,$(SUPPORT)) $(TESTED_LIB) $(COMMON_LIB)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) $^ -o $@ -lcmocka $(LIBS)
$(BUILD)/integration/%: $(BUILD)/obj/tests/integration/%.o $(call obj,$(SUPPORT)) $(TESTED_LIB) $(COMMON_LIB)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) $^ -o $@ -lcmocka $(LIBS)
$(BUILD)/e2e/%: $(BUILD)/obj/tests/e2e/%.o $(call obj,$(SUPPORT)) $(TESTED_LIB) $(COMMON_LIB)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) $^ -o $@ -lcmocka $(LIBS)
$(BUILD)/obpipe-bench: $(call obj,$(BENCH)) $(COMMON_LIB)
	$(Q)$(CC) $(LDFLAGS_ALL) $^ -o $@ $(LIBS)
$(STANDIN): $(STANDIN_SOURCES) deploy/hosts/obproxy/standin.h $(COMMON_LIB)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(STANDIN_FLAGS) $(LDFLAGS_ALL) -Wl,--as-needed $(STANDIN_SOURCES) \
		$(COMMON_LIB) -o $@ $(LIBS)
$(STANDIN_RPM): $(STANDIN) deploy/hosts/package $(wildcard deploy/hosts/obproxy/obproxy*)
	$(Q)BUILD=$(BUILD) deploy/hosts/package $(@D) $(STANDIN_VERSION) $(STANDIN_RELEASE) >/dev/null
unit-bins: $(UNIT_BINS)
integration-bins: $(INTEGRATION_BINS)
# Needs CC=clang and SANITIZE=fuzzer-no-link,address,undefined: `make fuzz` says so.
$(BUILD)/fuzz/%: $(BUILD)/obj/tests/fuzz/%.o $(TESTED_LIB) $(COMMON_LIB)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -fsanitize=fuzzer $^ -o $@ $(LIBS)
fuzz-bins: $(FUZZ_BINS)
e2e-bins: $(E2E_BINS)

rpms: $(STANDIN_RPM) ## the package of the stand-in OBProxy, for demo hosts
deps: ## install the Debian packages obpipe needs (DEV=1: also those of lint and fuzz)
	@deploy/stack/deps $(if $(DEV),--dev)
up: ## start PostgreSQL, Kafka, demo hosts, producer and worker in the background
	@deploy/stack/up
down: ## stop what `make up` started (CLEAN=1 also removes its data)
	@CLEAN=$(CLEAN) deploy/stack/down
status: ## what runs
	@deploy/stack/status
run: ## the whole thing with the seed request, live (ONCE=1: stop when it is done)
	@deploy/stack/run
test: ## every test; ends with "N passed, N failed"
	@tests/run all
test-unit: ## tests without services, under 10 s
	@tests/run unit
test-integration: ## tests on a real PostgreSQL and Kafka
	@tests/run integration
test-e2e: ## tests on hosts
	@tests/run e2e
fuzz: ## libFuzzer on everything that reads foreign bytes (SECONDS=10 each)
	@FUZZ_SECONDS=$(or $(SECONDS),10) tests/run fuzz
bench: ## speed, against floors measured in the same run; about 4 minutes
	@bench/run
bench-growth: ## the same rates with GROWTH_TASKS (10 million) finished tasks stored
	@bench/run growth
bench-longtx: ## the same rates after LONGTX_SECONDS (600) of load under open transactions
	@bench/run longtx
bench-profile: ## where the time goes: threads, statements, WAL records, functions
	@bench/run profile
lint: ## clang build, clang-tidy, shellcheck, house rules
	@tests/lint
format: ## clang-format every C file
	@git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format -i
format-check: ## fails when `make format` would change something
	@git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format --dry-run -Werror
install: all ## install the programs under DESTDIR and PREFIX
	install -D -t $(DESTDIR)$(PREFIX)/bin $(PROGRAMS)
clean: ## remove what was built
	rm -rf build
help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
