# Each target makes its environment itself, in $(VENV), with the newest Python that
# jobs/find_python.sh finds, or with PYTHON=...; `make clean` to change it later.
VENV ?= .venv
RUN = $(VENV)/bin/python
GPU := $(shell nvidia-smi -L >/dev/null 2>&1 && echo yes)
REQUIREMENTS := $(if $(GPU),requirements.txt,requirements-cpu.txt)
INSTALLED = $(VENV)/installed-$(REQUIREMENTS)

.PHONY: setup demo test test-slow test-compiled lint format bench tables compiled
.PHONY: netlab peers weights clean

setup: $(INSTALLED)

$(INSTALLED): $(REQUIREMENTS) requirements-common.txt
	@# One that was interrupted while it was made has no pip that runs.
	@$(RUN) -m pip --version >/dev/null 2>&1 || { \
	python=$$(sh jobs/find_python.sh) && echo "making $(VENV) with $$python" && \
	"$$python" -m venv --clear $(VENV); }
	$(RUN) -m pip install --quiet --disable-pip-version-check -r $(REQUIREMENTS)
	@touch $@

demo: setup
	$(RUN) main.py --config=configs/digits.py --workdir=runs/demo

# Two at a time: small programs leave a second core idle, and each takes 2 GiB.
test: setup
	$(RUN) -m pytest -m "not slow" --numprocesses=2 --dist=loadfile

test-slow: setup
	$(RUN) -m pytest -m "slow and not alone" --numprocesses=2 --dist=loadfile
	$(RUN) -m pytest -m alone

lint: setup
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .

format: setup
	$(RUN) -m ruff format .
	$(RUN) -m ruff check --fix .

# What is compared with lives in environments of its own.
peers:
	@python=$$(sh jobs/find_python.sh --all | tail -n 1) && \
	"$$python" -m venv .venv-torch
	.venv-torch/bin/python -m pip install --quiet "torch==2.13.0" numpy
	@python=$$(sh jobs/find_python.sh --all | tail -n 1) && \
	"$$python" -m venv .venv-fidelity
	@# Of its own: its torchvision and the torch that is measured need not be of one build.
	.venv-fidelity/bin/python -m pip install --quiet "torch-fidelity==0.4.0"
	@python=$$(sh jobs/find_python.sh --all | tail -n 1) && \
	"$$python" -m venv .venv-abtem
	.venv-abtem/bin/python -m pip install --quiet "abtem==1.0.11" pyfftw

bench: setup
	$(RUN) -m benchmarks.gan_step
	$(RUN) -m benchmarks.entry_loop
	$(RUN) -m benchmarks.convolution
	$(RUN) -m benchmarks.weak_scaling
	$(RUN) -m benchmarks.start_up

# Every table of results, of what was measured.
tables: setup
	$(RUN) -m benchmarks.tables

# Compilers of machines that are not here, in an environment of their own; their wheels
# need none of their dependencies to compile.
COMPILERS = .venv-compilers

$(COMPILERS)/installed: requirements-cpu.txt requirements-common.txt
	@python=$$(sh jobs/find_python.sh) && "$$python" -m venv --clear $(COMPILERS)
	$(COMPILERS)/bin/python -m pip install --quiet -r requirements-cpu.txt
	@jax=$$($(COMPILERS)/bin/python -c \
	'import importlib.metadata as m; print(m.version("jax"))') && \
	$(COMPILERS)/bin/python -m pip install --quiet --no-deps \
	"jax-cuda12-pjrt==$$jax" "jax-cuda12-plugin==$$jax"
	@touch $@

test-compiled: $(COMPILERS)/installed
	$(COMPILERS)/bin/python -m pytest tests/parallel/described_gpus_test.py

compiled: $(COMPILERS)/installed
	$(COMPILERS)/bin/python -m pip install --quiet libtpu
	JAX_PLATFORMS=cpu TPU_SKIP_MDS_QUERY=1 $(COMPILERS)/bin/python -m benchmarks.compiled

# Shaped links are network namespaces, which only root can make.
netlab: setup
	$(RUN) -m benchmarks.netlab

weights: setup
	$(RUN) -m gan.weights

clean:
	rm -rf .venv .venv-* .pytest_cache .ruff_cache
