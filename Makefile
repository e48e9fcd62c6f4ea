# SPDX-License-Identifier: Apache-2.0
# A thin front of meson. `make demo` and `make check` are all that one needs to know.
PYTHON = /usr/bin/python3
SOURCES = $(shell git ls-files '*.c' '*.h')

.PHONY: all build demo check sandbox bench install clean dependencies lint unit e2e

all: build

dependencies:
	@packaging/install-dependencies build
dependencies-test:
	@packaging/install-dependencies build test

build: dependencies
	@[ -f build/build.ninja ] || meson setup --buildtype=release -Db_ndebug=false build >build-setup.log || { cat build-setup.log; false; }
	@rm -f build-setup.log
	@ninja -C build

# The same sources with sanitizers; what the tests run.
build-check: dependencies-test
	@[ -f build-check/build.ninja ] || meson setup --buildtype=debugoptimized -Db_sanitize=address,undefined -Db_lundef=false build-check
	@ninja -C build-check

demo: dependencies-test build
	@packaging/demo

sandbox: dependencies-test
	@exec $(PYTHON) -m sandbox

check: lint unit e2e

# cppcheck does not know __attribute__((cleanup)): leaks are LeakSanitizer's to find.
lint: dependencies-test
	clang-format --dry-run -Werror $(SOURCES)
	cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 --enable=warning,performance,portability \
		--suppress=missingIncludeSystem --suppress=memleak --suppress=resourceLeak --suppress=normalCheckLevelMaxBranches -Isrc -I. -DKSNIFF_VERSION=\"\" \
		-D__x86_64__ $(filter-out tests/%,$(filter %.c,$(SOURCES)))
	shellcheck -s sh src/capture/upload.sh packaging/install-dependencies packaging/demo packaging/kubectl_complete-sniff \
		agent/build-agent.sh

unit: build-check
	meson test -C build-check --print-errorlogs --no-rebuild

e2e: build-check
	KSNIFF_BUILD=build-check ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
		$(PYTHON) -m pytest -q -rs -p no:cacheprovider -n 3 --dist loadfile tests/e2e

bench: dependencies-test build
	@$(PYTHON) bench/agent_bench.py
	@$(PYTHON) bench/client_bench.py
	@$(PYTHON) bench/first_packet.py

install: build
	meson install -C build --no-rebuild

clean:
	rm -rf build build-check
