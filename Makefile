PY := .venv/bin/python
.PHONY: setup run test lint bench soak lock

setup: .venv/.ready

.venv/.ready: requirements.lock
	python3.11 -m venv .venv || python3 -m venv .venv
	$(PY) -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

run: setup
	$(PY) -m bot

test: setup
	$(PY) -m pytest -n 2 --dist worksteal -q -m "not soak" $(ARGS)

lint: setup
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

bench: setup
	$(PY) -m benchmarks

soak: setup
	$(PY) -m pytest -q -m soak $(ARGS)

# Rewrites requirements.lock from pyproject.toml: name==version with hashes, no address.
lock: setup
	$(PY) -m pip install -q uv
	$(PY) -m uv pip compile pyproject.toml --extra dev --generate-hashes --no-emit-index-url --no-annotate --no-header --upgrade -q -o requirements.lock
