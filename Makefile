# SPDX-License-Identifier: BSD-3-Clause
#
# The front door. Meson and ninja build user space in build/; what a target
# needs beyond that, tools/setup.sh installs.

BUILD	?= build
MESON	?= meson
NINJA	?= ninja
prefix	?= /usr/local
# libxl expects scripts in /etc, regardless of the prefix.
sysconfdir ?= $(if $(filter /usr /usr/local,$(prefix)),/etc,$(prefix)/etc)
SHELL	:= /bin/bash -o pipefail
# Scripts find the build here.
export NFV_BUILD = $(BUILD)

# Two setups at a time would conflict at apt's lock.
.NOTPARALLEL:
.PHONY: all build module demo check check-loaded check-fresh check-kernel check-kernel-debug check-xen check-bench bench bench-kernel bench-counts bench-policy bench-observe bench-restart bench-xen bench-draft lint install install-files uninstall install-dkms deb clean help

all: build

build: setup-build $(BUILD)/build.ninja
	@$(NINJA) -C $(BUILD) --quiet | sed '/no work to do/d'

$(BUILD)/build.ninja: | setup-build
	@$(MESON) setup $(BUILD) >$(BUILD).log || { cat $(BUILD).log; exit 1; }
	@mv $(BUILD).log $(BUILD)/meson-setup.log

SETUPS := $(addprefix setup-,build module demo kernel debug check fresh bench draft package)
.PHONY: $(SETUPS)
$(SETUPS): setup-%:
	@tools/setup.sh $*

# Build for the running kernel, or KDIR=, into kmod/.
KDIR	?= /lib/modules/$(shell uname -r)/build
module: setup-module
	@[ -e $(KDIR)/Makefile ] || { echo 'no headers in $(KDIR); for another kernel: make module KDIR=DIR' >&2; exit 1; }
	@$(MAKE) -s -C $(KDIR) M=$(CURDIR) W=1 modules

demo: setup-demo build
	@tools/demo.sh $(BUILD)

# ARGS selects: make check ARGS="unit ring"
check: setup-check build
	@tests/run $(ARGS)

# The same while busy loops use the CPUs.
check-loaded: setup-check build
	@tests/loaded tests/run $(ARGS)

# README's two commands in a minimal Debian with an empty cache; ARGS are for its make check.
check-fresh: setup-fresh
	@tests/fresh.sh $(ARGS)

# ARGS="6.1|6.12" or part of a script's name
check-kernel: setup-kernel build
	@tests/run kernel $(ARGS)

check-xen: setup-kernel build
	@tests/run xen $(ARGS)

check-kernel-debug: setup-debug build
	@tests/kernel/run debug $(ARGS)

# Run each bench except Xen's once, as short as possible, and check the shape of its result: SMOKE=1.
check-bench: setup-bench build
	@tests/prepare integration kernel
	@tests/bench/smoke.sh

bench-kernel: setup-kernel build
	@tests/bench/kernel.sh $(ARGS)

bench-counts: setup-kernel build
	@tests/bench/counts.sh $(ARGS)

bench-xen: setup-kernel build
	@tests/bench/xen.sh $(ARGS)

# ARGS="--only container,tinyx.kvm --runs 20"
bench-draft: setup-draft setup-kernel build
	@tests/bench/draft.sh $(ARGS)

# The cost of a kill and a restart of the switch.
bench-restart: setup-bench build
	@tests/bench/run restart

# How well policies hold, and their cost.
bench-policy: setup-bench build
	@tests/bench/run policy

# What seeing costs: metrics, captures.
bench-observe: setup-bench build
	@tests/bench/run observe

bench: setup-bench build
	@tests/bench/run $(ARGS)

lint: setup-check build
	@tests/lint.sh

# The built files do not depend on the prefix: nfvctl finds its guests relative to itself.
SBIN	= $(DESTDIR)$(prefix)/sbin
SHARE	= $(DESTDIR)$(prefix)/share/nfv-fastpath
SCRIPTS	= $(DESTDIR)$(sysconfdir)/xen/scripts
UNITS	= $(DESTDIR)$(prefix)/lib/systemd/system
PAGE	= $(DESTDIR)$(prefix)/share/cockpit/nfv
MAN	= $(DESTDIR)$(prefix)/share/man/man8
COMPLETIONS = $(DESTDIR)$(prefix)/share/bash-completion/completions
install: build install-files
install-files:
	@install -d '$(SBIN)' '$(SHARE)' '$(SCRIPTS)' '$(UNITS)' '$(PAGE)' '$(MAN)' '$(COMPLETIONS)'
	@install $(BUILD)/dataplane/nfvd $(BUILD)/dataplane/fdkeep $(BUILD)/ctl/nfvctl '$(SBIN)'
	@install -m 644 tools/packaging/nfv-alerts.yml '$(SHARE)'
	@install -m 644 $(BUILD)/ctl/nfvctl.8 '$(MAN)'
	@install -m 644 tools/packaging/nfvctl.bash '$(COMPLETIONS)/nfvctl'
	@rm -rf '$(SHARE)/guests' && cp -R --preserve=mode tools/guests '$(SHARE)'
	@sed 's|^PATH=.*|&:$(prefix)/sbin|' tools/xen/vif-nfv >'$(SCRIPTS)/vif-nfv' && chmod 755 '$(SCRIPTS)/vif-nfv'
	@sed 's|@SBIN@|$(prefix)/sbin|' tools/packaging/nfvd.service >'$(UNITS)/nfvd.service'
	@sed 's|@SBIN@|$(prefix)/sbin|' tools/packaging/nfvd-export.service >'$(UNITS)/nfvd-export.service'
	@install -m 644 tools/packaging/cockpit/*.{js,css,html,json} '$(PAGE)'

# Use the prefix, sysconfdir and DESTDIR of the install.
uninstall:
	@rm -f '$(SBIN)/nfvd' '$(SBIN)/fdkeep' '$(SBIN)/nfvctl' '$(SCRIPTS)/vif-nfv' '$(UNITS)/nfvd.service' '$(UNITS)/nfvd-export.service' \
		'$(MAN)/nfvctl.8' '$(COMPLETIONS)/nfvctl'
	@rm -rf '$(SHARE)' '$(PAGE)'
	@rmdir --ignore-fail-on-non-empty '$(SCRIPTS)' '$(dir $(SCRIPTS))' '$(dir $(PAGE))' '$(UNITS)' '$(dir $(UNITS))' \
		'$(MAN)' '$(dir $(MAN))' '$(COMPLETIONS)' '$(dir $(COMPLETIONS))' 2>/dev/null || true

# Copy the source for dkms; dkms then builds it for the running kernel, and each one that will be installed.
DKMS_VERSION := $(shell sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' kmod/dkms.conf)
DKMS_SOURCE := /usr/src/nfv-$(DKMS_VERSION)
install-dkms:
	@command -v dkms >/dev/null || { echo 'no dkms; try: apt-get install dkms' >&2; exit 1; }
	@dkms remove nfv/$(DKMS_VERSION) --all >/dev/null 2>&1 || true
	@rm -rf $(DKMS_SOURCE) && mkdir -p $(DKMS_SOURCE) && cp -r Kbuild kmod include LICENSES $(DKMS_SOURCE)
	@mv $(DKMS_SOURCE)/kmod/dkms.conf $(DKMS_SOURCE)
	@dkms install nfv/$(DKMS_VERSION)

# Build nfvd, nfv-cockpit and nfv-dkms as packages.
deb: setup-package
	@tools/packaging/build-debs $(BUILD)/deb && ls $(BUILD)/deb/*.deb

clean:
	@rm -rf $(BUILD) $(BUILD).log Module.symvers modules.order .Module.symvers.cmd .modules.order.cmd
	@cd kmod && rm -rf *.o {xen,netfront}/{*.o,.*.cmd} *.ko *.mod *.mod.c .*.cmd modules.order

help:
	@echo 'make            build nfvd and nfvctl in $(BUILD)/'
	@echo 'make demo       two guests and two containers on one switch: attached, measured, removed'
	@echo 'make check      all tests; ARGS="[lint|unit|hostile|fuzz|integration|kernel|xen]... [PATTERN]" selects'
	@echo 'make check-fresh   make demo and make check in a minimal Debian 12, on an empty cache, an hour'
	@echo 'make check-loaded  make check beside a busy loop for each processor'
	@echo 'make module     nfv.ko for the kernel that runs; KDIR=DIR for another; install-dkms: for all to come'
	@echo 'make check-kernel        the tests of nfv.ko alone, in machines with Debian kernels'
	@echo 'make check-kernel-debug  the same on a kernel with KASAN, lockdep and kmemleak, built first'
	@echo 'make check-xen  nfv.ko and Xen guests, on a Xen in QEMU, alone'
	@echo 'make check-bench   each bench once, as short as can be: is it whole? A few minutes'
	@echo 'make bench      measurements beside testpmd, OVS-DPDK, a bridge and a bare veth pair'
	@echo 'make bench-kernel  nfv.ko beside a packet socket and a bridge with vhost-net, emulated'
	@echo 'make bench-counts  what a frame between container and guest costs the host, by instructions, emulated'
	@echo 'make bench-policy  limits, fairness and quarantine, beside OVS-DPDK and tc-tbf'
	@echo 'make bench-observe  what metrics and captures cost the frames'
	@echo 'make bench-restart  the pause that a kill, a restart or an upgrade costs, beside OVS-DPDK'
	@echo 'make bench-xen  Xen guests on nfv.ko beside xen-netback and a bridge, emulated'
	@echo 'make bench-draft   the tables of draft-natarajan-nfvrg-containers-for-nfv-03 on this host, Xen emulated'
	@echo 'make lint       static analysis, format, include rules'
	@echo 'make install    into $(prefix); prefix=DIR, sysconfdir=DIR (for Xen'\''s script), DESTDIR=DIR; uninstall'
	@echo 'make deb        Debian packages, nfvd, nfv-cockpit and nfv-dkms, in $(BUILD)/deb/'
	@echo 'make clean      remove $(BUILD)/'
	@echo
	@echo 'Packages that are missing are installed with apt: tools/setup.sh -n says which.'
