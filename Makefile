.PHONY: run test lock bench
.DELETE_ON_ERROR:

# Kernels of OpenBLAS, by what the processor can run; other processors than x86 have their own.
FLAGS := $(shell grep -m 1 ^flags /proc/cpuinfo 2>/dev/null)
KERNELS := $(if $(filter pni,$(FLAGS)),Prescott) $(if $(filter avx2,$(FLAGS)),Haswell Zen) $(if $(filter avx512f,$(FLAGS)),SkylakeX)

run: .venv/runtime ## real transactions in, a delivered at-risk table out
	.venv/bin/churn example
	.venv/bin/churn run --night 1998-03-31
	.venv/bin/churn run --night 1998-06-30

test: .venv/development ## lint, types, import layers, definitions, tests, those of numbers under every kernel
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports
	DAGSTER_HOME=$(CURDIR) .venv/bin/dg check defs
	for kernel in $(KERNELS); do OPENBLAS_CORETYPE=$$kernel .venv/bin/pytest -n0 tests/models/test_degenerate.py || exit; done
	.venv/bin/pytest

.venv/bin/uv:
	python3 -m venv .venv
	.venv/bin/pip install --require-hashes --only-binary :all: -r requirements-uv.lock

.venv/runtime: .venv/bin/uv requirements.lock pyproject.toml
	.venv/bin/uv pip install --python .venv --require-hashes --only-binary :all: --compile-bytecode -r requirements.lock
	.venv/bin/uv pip install --python .venv --no-deps --no-build-isolation --editable .
	touch $@

.venv/development: .venv/runtime requirements-dev.lock
	.venv/bin/uv pip install --python .venv --require-hashes --only-binary :all: --no-binary pyspark --no-build-isolation --compile-bytecode -r requirements-dev.lock
	touch $@

COMPILE = .venv/bin/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet
lock: .venv/bin/uv ## write the lock files anew from pyproject.toml
	$(COMPILE) --group installer -o requirements-uv.lock
	$(COMPILE) pyproject.toml -o requirements.lock
	$(COMPILE) pyproject.toml --extra postgres -c requirements.lock -o requirements-postgres.lock
	$(COMPILE) pyproject.toml --extra spark -c requirements.lock -o requirements-spark.lock
	$(COMPILE) pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock

bench: .venv/development ## what speed is asked, and what it is here
	.venv/bin/python -m benchmarks
