# Everything installs itself: each target makes .venv once and reuses it until pyproject.toml or constraints.txt change.
PYTHON ?= python3.11
ifeq ($(shell command -v $(PYTHON) 2>/dev/null),)
PYTHON := python3
endif
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# torch and packages that the product must never meet
PEERS := .venv-peers
PEERS_STAMP := $(PEERS)/.installed

.PHONY: install peers demo test test-peers lint ui clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip check
	$(BIN)/python -m narrative_dag.kernels
	touch $(STAMP)

peers: $(PEERS_STAMP)

$(PEERS_STAMP): benchmarks/peers.txt
	test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --constraint benchmarks/peers.txt torch==2.13.0
	$(PEERS)/bin/python -m pip install --quiet --no-deps --requirement benchmarks/peers.txt
	$(PEERS)/bin/python -W ignore -c 'import dictionary_learning.trainers, sae_lens, sparsify'
	touch $(PEERS_STAMP)

demo: $(STAMP)
	$(BIN)/narrative-dag demo

test: $(STAMP)
	$(BIN)/python -m pytest

test-peers: $(STAMP) $(PEERS_STAMP)
	$(BIN)/python -m pytest -m peers tests/sae/test_peers.py

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

ui: $(STAMP)
	$(BIN)/narrative-dag ui

clean:
	rm -rf $(VENV) $(PEERS) .narrative build *.egg-info
