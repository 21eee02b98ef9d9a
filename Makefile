# podrun: one door. `sudo make demo` shows it, `sudo make test` proves it.
#
# A second run is quick: what was done is noted in .venv/build. Nothing here reads the terminal.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV := .venv
BUILD := $(VENV)/build
BIN := $(VENV)/bin
PREFIX ?= /opt/podrun
BINDIR ?= /usr/local/bin
# Which tests, and what else pytest should know: make unit TESTS=tests/unit/test_x.py ARGS=-x
TESTS ?=
ARGS ?=

PAUSE_SOURCES := $(wildcard pause/Makefile pause/*.S pause/*.[ch] pause/monitor/*.[ch] pause/enter/*.[ch])
PYTHON_SOURCES := podrun tests scripts bench

# Whatever happens: what root makes in a user's checkout is the user's in the end.
GIVE_BACK := trap scripts/give-back.sh EXIT;
ROOT = [ "$$(id -u)" = 0 ] || { echo "make $@ needs root: sudo make $@" >&2; exit 1; };

.PHONY: help setup unit integration test lint format demo test-vm bench install uninstall clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-12s %s\n", $$1, $$2}' Makefile

setup: $(BUILD)/packages $(BUILD)/venv $(BUILD)/parts  ## packages (as root), .venv, compiled parts

# Reinstalls nothing: dpkg is asked once for each change of the list.
$(BUILD)/packages: packaging/debian-packages scripts/packages.sh
	@$(GIVE_BACK) scripts/packages.sh run test; mkdir -p $(BUILD); touch $@

# compat: a path in a .pth file; setuptools' other way costs every start of podrun 15 ms.
$(BUILD)/venv: pyproject.toml setup.py scripts/venv.sh | $(BUILD)/packages
	@$(GIVE_BACK) scripts/venv.sh $(VENV); \
	echo "pip: podrun (editable) and what it is developed with, into $(VENV)"; \
	$(BIN)/pip install --quiet --config-settings editable_mode=compat --editable '.[dev]' </dev/null; \
	mkdir -p $(BUILD); touch $@

$(BUILD)/parts: $(PAUSE_SOURCES) | $(BUILD)/venv
	@$(GIVE_BACK) $(MAKE) --silent -C pause install BIN=../podrun/bin; touch $@

unit: setup  ## the tests that need no root
	@$(GIVE_BACK) $(BIN)/pytest $(ARGS) $(or $(TESTS),tests/unit)

integration: setup  ## the tests against the real kernel (as root)
	@$(ROOT) $(GIVE_BACK) $(BIN)/pytest $(ARGS) $(or $(TESTS),tests/integration)

test: setup  ## all tests (as root)
	@$(ROOT) $(GIVE_BACK) \
	$(if $(TESTS),$(BIN)/pytest $(ARGS) $(TESTS),scripts/test.sh $(BIN)/pytest $(ARGS))

lint: setup  ## format, style, types, import rules, and the C with -Wall -Wextra -Werror
	@$(GIVE_BACK) $(BIN)/ruff format --check $(PYTHON_SOURCES) setup.py; \
	$(BIN)/ruff check $(PYTHON_SOURCES) setup.py; \
	$(BIN)/mypy $(PYTHON_SOURCES); \
	$(BIN)/pytest -q tests/unit/test_import_rules.py; \
	$(MAKE) --always-make -C pause all sanitize

format: setup  ## let ruff format and sort
	@$(GIVE_BACK) $(BIN)/ruff check --fix-only $(PYTHON_SOURCES); $(BIN)/ruff format $(PYTHON_SOURCES)

demo: setup  ## the Pod of manifests/javaweb-2.yaml: a WAR and a Tomcat of two images (as root)
	@$(ROOT) $(GIVE_BACK) scripts/packages.sh demo; scripts/demo.sh

# What the kernel and its cgroups decide; all would take hours without KVM.
VM_TESTS := $(patsubst %,tests/integration/test_%.py,cgroup cgroup_devices checker checker_limits \
	devices resize rights seccomp_filter storage top userns)

test-vm: setup  ## tests on Debian's kernel with pure cgroup v2 (as root; slow); all: TESTS=tests/integration
	@$(ROOT) $(GIVE_BACK) scripts/packages.sh vm; \
	scripts/test-vm.sh $(or $(TESTS),$(VM_TESTS)) $(ARGS)

bench: setup $(BUILD)/installed  ## podrun beside podman (as root): make bench ARGS=--json
	@$(ROOT) $(GIVE_BACK) scripts/packages.sh bench; \
	$(BIN)/python -m bench --podrun $(VENV)/installed/bin/podrun $(ARGS)

# What a user has: not editable, without what podrun is developed with.
$(BUILD)/installed: $(shell find podrun -name '*.py') packaging/podrun $(PAUSE_SOURCES) | $(BUILD)/venv
	@$(GIVE_BACK) scripts/install.sh environment $(CURDIR)/$(VENV)/installed; touch $@

install: $(BUILD)/packages  ## podrun in PREFIX (/opt/podrun), linked from BINDIR (as root)
	@$(GIVE_BACK) scripts/install.sh install $(PREFIX) $(BINDIR)

uninstall:  ## take away what install made; pods, images and logs stay
	@scripts/install.sh uninstall $(PREFIX) $(BINDIR)

clean:  ## take away everything that was made in this checkout, .venv too
	$(MAKE) -C pause clean
	rm -rf $(VENV) podrun/bin build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
