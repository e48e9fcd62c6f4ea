# SPDX-License-Identifier: Apache-2.0
# A thin front of meson. `make demo` and `make check` are all that one needs to know; `make help` lists the rest.
PYTHON = /usr/bin/python3
PREFIX = /usr/local
DESTDIR =
BUILD = build
# What the program carries: architectures, or a directory of ready-made agents.
AGENTS = amd64,arm64
EVERY_AGENT = amd64,arm64,arm,riscv64,ppc64le,s390x
# Wireshark's folders for programs that capture for it, with a comma between.
EXTCAP = $(shell packaging/extcap-folder '$(abspath $(PREFIX))' '$(DESTDIR)')
SOURCES = $(shell git ls-files '*.c' '*.h')
export DESTDIR

.PHONY: all help build build-check agents demo sandbox check lint unit e2e e2e-cluster fuzz bench dist dist-macos deb rpm install uninstall clean

# On a Mac: where Homebrew has what it keeps apart from macOS's own; the release's archive of agents, unpacked
# here. Warnings of compilers that nobody here has seen do not end a build.
ifeq ($(shell uname -s),Darwin)
BREW := $(shell brew --prefix 2>/dev/null)
export PKG_CONFIG_PATH := $(BREW)/opt/curl/lib/pkgconfig:$(BREW)/opt/libpcap/lib/pkgconfig:$(BREW)/opt/openssl@3/lib/pkgconfig$(if $(PKG_CONFIG_PATH),:$(PKG_CONFIG_PATH))
export CPATH := $(BREW)/include$(if $(CPATH),:$(CPATH))
export LIBRARY_PATH := $(BREW)/lib$(if $(LIBRARY_PATH),:$(LIBRARY_PATH))
SYSTEM_OPTIONS = -Dwerror=false
AGENTS = ./ksniff-agents_$(shell sed -n "s/^  version: '\(.*\)',$$/\1/p" meson.build)
# Asked first: meson's own words are about `make agents`, which needs Linux.
define find_agents
	@ls $(AGENTS)/ksniff-agent-* >/dev/null 2>&1 || { echo "make: no agents in \"$(AGENTS)\": unpack the release's ksniff-agents_*.tar.gz in this directory, or name another with AGENTS=./DIRECTORY (docs/macos.md)" >&2; exit 1; }
endef
endif

all: build

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@echo "Variables: PREFIX ($(PREFIX)) and DESTDIR for install and uninstall; BUILD ($(BUILD)), the directory of the build;"
	@echo "AGENTS ($(AGENTS)), architectures of the agents that are carried, or a directory of ready-made ones (./DIR);"
	@echo "EXTCAP ($(EXTCAP)), where Wireshark looks for programs that capture for it."

# Sets a directory up for meson, or anew when it was set up otherwise: $(call configure,DIRECTORY,OPTIONS)
define configure
	@if [ ! -f $(1)/build.ninja ]; then words="setup $(1)"; \
	elif [ "$$(cat $(1)/options 2>/dev/null)" != "$(2)" ]; then words="setup --reconfigure $(1)"; \
	else words=; fi; \
	[ -z "$$words" ] || said=$$(meson $$words $(2) 2>&1) || { echo "$$said" >&2; exit 1; }; \
	echo "$(2)" >$(1)/options
endef

build: ## the program, in build/src: no test package is needed
	$(find_agents)
	@packaging/install-dependencies build
	$(call configure,$(BUILD),--prefix=$(abspath $(PREFIX)) --buildtype=release -Db_ndebug=false -Dtests=disabled -Dextcapdir=$(EXTCAP) -Dagents=$(AGENTS) $(SYSTEM_OPTIONS))
	@ninja -C $(BUILD)

# The same sources with sanitizers; what the tests run.
build-check:
	@packaging/install-dependencies build demo package test agents
	$(call configure,build-check,--buildtype=debugoptimized -Db_sanitize=address$(comma)undefined -Db_lundef=false -Dtests=enabled -Dagents=$(EVERY_AGENT))
	@ninja -C build-check
comma = ,

agents: ## the agents of every architecture, and an archive of them for a build elsewhere, in build-agents
	@packaging/install-dependencies build agents
	$(call configure,build-agents,--buildtype=release -Dtests=disabled -Dagents=$(EVERY_AGENT))
	@ninja -C build-agents agents
	@packaging/agents-archive build-agents/agent build-agents

demo: ## installs what it needs, starts a sandbox and shows both ends of a flow through a Service
	@packaging/install-dependencies build demo
	@$(MAKE) --no-print-directory build
	@packaging/demo

sandbox: ## a small Kubernetes on this machine, until Ctrl-C
	@packaging/install-dependencies demo
	@exec $(PYTHON) -m sandbox

check: lint unit e2e ## every test: lint, unit and e2e

# cppcheck does not know __attribute__((cleanup)): leaks are LeakSanitizer's to find.
lint: ## clang-format, cppcheck, shellcheck, and which folder includes which
	@packaging/install-dependencies lint
	clang-format --dry-run -Werror $(SOURCES)
	cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 --enable=warning,performance,portability \
		--suppress=missingIncludeSystem --suppress=memleak --suppress=resourceLeak --suppress=normalCheckLevelMaxBranches -Isrc -I. -DKSNIFF_VERSION=\"\" \
		-D__x86_64__ $(filter-out tests/%,$(filter %.c,$(SOURCES)))
	shellcheck -x -s sh src/method/upload.sh packaging/install-dependencies packaging/demo packaging/kubectl_complete-sniff \
		agent/build-agent.sh agent/build-musl.sh packaging/agents-archive tests/fuzz/run packaging/check-layers packaging/dist/zig packaging/dist/archive packaging/dist/sources packaging/dist/tidy \
		packaging/dist/libraries packaging/dist/build packaging/make-deb packaging/make-rpm packaging/agents-for packaging/source-tarball packaging/fill \
		packaging/extcap-folder packaging/manifests
	shellcheck -s sh -e SC2154 packaging/dist/recipes/*
	packaging/check-layers

unit: build-check ## the unit tests, with sanitizers
	meson test -C build-check --print-errorlogs --no-rebuild

PYTEST = KSNIFF_BUILD=build-check ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
	$(PYTHON) -m pytest -q -rsR --durations=40 -p no:cacheprovider --timeout 300 --reruns 1

e2e: build-check ## the real programs against the sandbox
	$(PYTEST) -n 6 --dist loadgroup tests/e2e

e2e-cluster: build-check ## the same tests against the cluster of KUBECONFIG=FILE, as far as they need no sandbox
	@[ -n "$(KUBECONFIG)" ] || { echo "which cluster? make e2e-cluster KUBECONFIG=FILE" >&2; exit 2; }
	E2E_KUBECONFIG="$(KUBECONFIG)" $(PYTEST) tests/e2e

MINUTES = 1
fuzz: export CC = clang
fuzz: ## looks for input that the parsers do not stand, MINUTES=1 with each, going on from the last time
	@packaging/install-dependencies build fuzz
	$(call configure,build-fuzz,--buildtype=debugoptimized -Db_sanitize=address$(comma)undefined -Db_lundef=false -Dtests=disabled -Dfuzz=true)
	@ninja -C build-fuzz fuzzers
	@tests/fuzz/run build-fuzz $(MINUTES)

bench: build ## the agent and the recorder against tcpdump and dumpcap, the client against kubectl and an earlier one, a hundred targets
	@packaging/install-dependencies build demo test
	@ninja -C build bench/block_bench
	@$(PYTHON) bench/agent_bench.py
	@$(PYTHON) bench/recorder_bench.py
	@$(PYTHON) bench/fetch_bench.py
	@$(PYTHON) bench/client_bench.py
	@$(PYTHON) bench/first_packet.py
	@$(PYTHON) bench/fetching_bench.py
	@$(PYTHON) bench/scale_bench.py

# What is released carries the agents of every architecture, or those of a directory.
READY = $(if $(findstring /,$(AGENTS)),$(AGENTS))
# As zig calls them; where the archives go.
DIST_TARGETS = x86_64-linux-musl aarch64-linux-musl
DIST = dist
dist: $(if $(READY),,agents) ## the program ready-made, for any Linux: archives in dist/, with SHA256SUMS
	@packaging/install-dependencies build dist
	@packaging/dist/build $(DIST) $(or $(READY),build-agents/agent) $(DIST_TARGETS)

MACOS_TARGETS = aarch64-macos x86_64-macos
dist-macos: ## the same, and for both kinds of Mac
	@$(MAKE) --no-print-directory dist DIST_TARGETS="$(DIST_TARGETS) $(MACOS_TARGETS)"

PACKAGES = build-packages
COMMIT = HEAD
deb: ## a Debian package of what is committed, in build-packages
	@packaging/install-dependencies build package agents
	@packaging/make-deb $(PACKAGES) $(COMMIT) $(READY)

rpm: ## an RPM package of what is committed, in build-packages
	@packaging/install-dependencies build package agents dist
	@packaging/make-rpm $(PACKAGES) $(COMMIT) $(READY)

install: build ## the program, its manual, completions, roles and a link for Wireshark, below DESTDIR and PREFIX
	@meson install -C $(BUILD) --no-rebuild

uninstall: ## removes what install has put there
	rm -f $(DESTDIR)$(abspath $(PREFIX))/bin/kubectl-sniff $(DESTDIR)$(abspath $(PREFIX))/bin/kubectl_complete-sniff
	rm -f $(DESTDIR)$(abspath $(PREFIX))/share/man/man1/kubectl-sniff.1
	rm -f $(addprefix $(DESTDIR),$(addsuffix /kubectl-sniff,$(subst $(comma), ,$(EXTCAP))))
	rm -f $(DESTDIR)$(abspath $(PREFIX))/share/bash-completion/completions/kubectl-sniff
	rm -f $(DESTDIR)$(abspath $(PREFIX))/share/zsh/site-functions/_kubectl-sniff
	rm -f $(DESTDIR)$(abspath $(PREFIX))/share/fish/vendor_completions.d/kubectl-sniff.fish
	rm -rf $(DESTDIR)$(abspath $(PREFIX))/share/doc/kubectl-sniff

clean: ## removes the builds
	rm -rf build build-check build-fuzz build-agents build-packages build-dist dist
