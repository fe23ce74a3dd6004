# Each target makes its environment itself, in $(VENV), with the newest Python that
# jobs/find_python.sh finds, or with PYTHON=...; `make clean` to change it later.
VENV ?= .venv
RUN = $(VENV)/bin/python
GPU := $(shell nvidia-smi -L >/dev/null 2>&1 && echo yes)
REQUIREMENTS := $(if $(GPU),requirements.txt,requirements-cpu.txt)
INSTALLED = $(VENV)/installed-$(REQUIREMENTS)

.PHONY: setup demo test test-slow lint format bench peers weights clean

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

test: setup
	$(RUN) -m pytest -m "not slow"

test-slow: setup
	$(RUN) -m pytest -m slow

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
	"$$python" -m venv .venv-abtem
	.venv-abtem/bin/python -m pip install --quiet "abtem==1.0.11" pyfftw

bench: setup
	$(RUN) -m benchmarks.gan_step
	$(RUN) -m benchmarks.entry_loop
	$(RUN) -m benchmarks.convolution

weights: setup
	$(RUN) -m gan.weights

clean:
	rm -rf .venv .venv-* .pytest_cache .ruff_cache
