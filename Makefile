# Everything runs in a virtual environment of its own, made on first use.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
FREDFMT := $(BIN)/fredfmt
OUT ?= demo
# Tests run in as many processes as there are cores, of one thread each.
JOBS ?= $(shell getconf _NPROCESSORS_ONLN)
PYTEST := $(BIN)/python -m pytest --numprocesses $(JOBS) --dist worksteal

.PHONY: demo demo-fashion test quick test-sanitized test-portable test-lowest lint types docs installed dist fuzz bench gpu clean

$(VENV)/.users: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/.developers: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

# Distill real handwritten digits, look at the file, train on it, compare. At most five minutes after installation.
demo: $(VENV)/.users
	sh examples/demo.sh $(FREDFMT) digits $(OUT)/digits

# The same on Fashion-MNIST, if it is there (Debian: apt install dataset-fashion-mnist). At most twenty minutes.
demo-fashion: $(VENV)/.users
	sh examples/demo.sh $(FREDFMT) fashion-mnist $(OUT)/fashion-mnist

# Everything but the jobs further down: seven to twelve minutes on two cores.
test: lint docs
	$(PYTEST)

# All but whole pages, browsers, examples, several processes and compilation: under two minutes on two cores.
quick: $(VENV)/.developers
	$(PYTEST) -m 'not slow'

# The compiled loops under the address and undefined-behaviour sanitizers: half a minute, with gcc on Linux.
test-sanitized: $(VENV)/.developers
	$(BIN)/python tests/sanitizers.py

# Quick tests of an installation that found no C compiler.
test-portable: $(VENV)/.developers
	rm -rf $(VENV)/portable build # where another job has left compiled loops
	CC=none $(BIN)/python -m pip install --quiet --no-deps --target $(VENV)/portable .
	FREDFMT_WITHOUT='a C compiler' CC=none PYTHONSAFEPATH=1 PYTHONPATH=$(VENV)/portable $(PYTEST) -m 'not slow'

# Quick tests with the lowest versions that pyproject.toml admits, in an environment of their own.
test-lowest: $(VENV)-lowest/.ready
	FREDFMT_WITHOUT='mkdocs,fake GPUs' $(VENV)-lowest/bin/python -m pytest --numprocesses $(JOBS) --dist worksteal -m 'not slow'

$(VENV)-lowest/.ready: pyproject.toml lowest.txt
	test -x $(VENV)-lowest/bin/python || $(PYTHON) -m venv $(VENV)-lowest
	$(VENV)-lowest/bin/python -m pip install --quiet --constraint lowest.txt --editable '.[test]'
	touch $@

lint: installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(MAKE) --no-print-directory types

types: installed
	cd $(VENV)/installed && ../bin/mypy --config-file $(CURDIR)/pyproject.toml

# The documentation site, in site/. It needs no network once the tools are there, and neither do its readers.
docs: installed
	NO_MKDOCS_2_WARNING=1 FREDFMT_INSTALLED=$(VENV)/installed $(BIN)/mkdocs build --quiet --strict

# A copy as users have it, where `fredfmt.distill` is a folder: what mypy and the documentation read.
installed: $(VENV)/.developers
	$(BIN)/python -m pip install --quiet --no-deps --upgrade --target $(VENV)/installed .

# What goes to a package index, in dist/ and checked: the source distribution, and a wheel for Linux with its manylinux
# tag and the OpenMP library that it needs.
dist: $(VENV)/.developers
	rm -rf dist
	$(BIN)/python -m build --outdir dist/here
	mv dist/here/*.tar.gz dist
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/auditwheel repair --wheel-dir dist dist/here/*.whl
	rm -r dist/here
	$(BIN)/twine check --strict dist/*

# 200,000 mutated files against the reader, then the same with HDF5's checksum put right: five minutes.
fuzz: $(VENV)/.developers
	$(BIN)/python -W ignore tests/storage/fuzz/fuzz.py --files 200000
	$(BIN)/python -W ignore tests/storage/fuzz/fuzz.py --files 20000 --reseal-hdf5 --first 1000000

bench: $(VENV)/.developers
	$(BIN)/python benchmarks/decode.py
	$(BIN)/python benchmarks/loader.py
	$(BIN)/python benchmarks/files.py

# Everything that needs a GPU: one table, and gpu.json; eight minutes at most on one H100. It needs no installation.
gpu:
	$(PYTHON) benchmarks/gpu.py

clean:
	rm -rf $(VENV) $(OUT) build dist site *.egg-info
