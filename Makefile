# SPDX-License-Identifier: BSD-3-Clause
#
# The front door. Meson and ninja build user space in build/; what a target
# needs beyond that, tools/setup.sh installs.

BUILD	?= build
MESON	?= meson
NINJA	?= ninja
prefix	?= /usr/local
SHELL	:= /bin/bash -o pipefail

# Two setups at a time would meet at apt's lock.
.NOTPARALLEL:
.PHONY: all build demo check bench lint install clean help

all: build

build: setup-build $(BUILD)/build.ninja
	@$(NINJA) -C $(BUILD) --quiet | sed '/no work to do/d'

$(BUILD)/build.ninja: | setup-build
	@$(MESON) setup $(BUILD) --prefix=$(prefix) >$(BUILD).log || { cat $(BUILD).log; exit 1; }
	@mv $(BUILD).log $(BUILD)/meson-setup.log

.PHONY: setup-build setup-demo setup-check setup-bench
setup-build setup-demo setup-check setup-bench: setup-%:
	@tools/setup.sh $*

demo: setup-demo build
	@tools/demo.sh $(BUILD)

# ARGS selects: make check ARGS="unit ring"
check: setup-check build
	@tests/run $(ARGS)

bench: setup-bench build
	@tests/bench/run $(ARGS)

lint: setup-check build
	@tests/lint.sh

install: build
	@$(MESON) configure $(BUILD) --prefix=$(prefix)
	@$(MESON) install -C $(BUILD) --no-rebuild

clean:
	@rm -rf $(BUILD) $(BUILD).log

help:
	@echo 'make            build nfvd and nfvctl in $(BUILD)/'
	@echo 'make demo       two guests and two containers on one switch: attached, measured, removed'
	@echo 'make check      all tests; ARGS="[lint|unit|hostile|fuzz|integration]... [PATTERN]" selects'
	@echo 'make bench      measurements beside testpmd, OVS-DPDK, a bridge and a bare veth pair'
	@echo 'make lint       static analysis, format, include rules'
	@echo 'make install    into $(prefix); prefix=DIR, DESTDIR=DIR'
	@echo 'make clean      remove $(BUILD)/'
	@echo
	@echo 'Packages that are missing are installed with apt: tools/setup.sh -n says which.'
