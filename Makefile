# Every target sets up what it needs: a virtual environment in .venv, made from nothing.
#   make lab          JupyterLab at your copy of chapter 00
#   make test         all tests, as CI runs them
#   make book         the HTML book
# Settings (make test TORCH="torch==2.13.0"):
PYTHON ?= python3
VENV ?= .venv
# What pip is asked for first.  On Linux without a GPU see "Small download" in the README.
TORCH ?= torch>=2.4
# Arguments for pytest (make test ARGS="-k pairing") and for reproduce (make reproduce ARGS=fig9).
ARGS ?=
# How many processes share the tests.
JOBS ?= 2

# Without it, idle threads of one Python spin and slow the next one down twentyfold.
export OMP_WAIT_POLICY = PASSIVE
export PIP_DISABLE_PIP_VERSION_CHECK = 1

BIN := $(VENV)/bin/python
# One thread of torch for each; tests/conftest.py says what keeps together, and what starts first.
PYTEST := OMP_NUM_THREADS=1 $(BIN) -m pytest -n $(JOBS) --dist loadscope --no-loadscope-reorder
# In place of pip, which compiles with one core, and tests of other packages too.  Some files are templates, no Python.
COMPILE := $(BIN) -W ignore -m compileall -qq -j 0 -x "/tests/" $(VENV)/lib
# Containers run as root, which JupyterLab refuses unless it is told.
AS_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)

.DELETE_ON_ERROR:
.PHONY: help lab test quick static book pdf slides slides-pdf dashboard benchmark weights reproduce clean

help:
	@echo "make lab         set up everything and open JupyterLab at your copy of chapter 00, notebooks/work"
	@echo "make test        set up everything and run all tests, as CI does   (a browser and npm are used if they are there; ARGS=-x)"
	@echo "make quick       four minutes of them: no browser, no chapter is run, no book is made"
	@echo "make book        run all chapters and make the HTML book -> book/_build/html   (needs npm; ARGS=--fast for a look)"
	@echo "make pdf         print the pages of the book into one file -> book/_build/course.pdf   (needs Chromium; ARGS=05 for one)"
	@echo "make slides      lecture slides of all chapters, explorers live -> book/_build/slides   (needs npm; ARGS=05 for one)"
	@echo "make slides-pdf  the same slides, also printed -> book/_build/slides/*.pdf   (needs Chromium, too; ARGS=05 for one)"
	@echo "make dashboard   the explorers of a chapter alone, in the browser   (ARGS=05)"
	@echo "make benchmark   milliseconds per reconstruction, beside other libraries if installed -> results/benchmark.json"
	@echo "make reproduce   experiments of the paper in full -> results/*.json   (17 hours of jobs; ARGS=fig9 for one, ARGS=list)"
	@echo "make weights     train the shipped generators again   (hours)"
	@echo "make clean       remove .venv and everything generated, but not runs/"

# One stamp for each extra (test contains lab and book); a changed pyproject.toml installs again.
$(VENV)/.installed-%: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN) -m pip install --no-compile "$(TORCH)"
	@echo "Installing the course and its extra '$*' ..."
	@$(BIN) -m pip install --quiet --no-compile -e ".[$*]"
	@$(COMPILE) || true
	@touch $@ $(if $(filter test,$*),$(VENV)/.installed-lab $(VENV)/.installed-book)

# Copies to work in, as the image for a hub makes them: what is there already is somebody's work.
lab: $(VENV)/.installed-lab
	mkdir -p notebooks/work
	for f in notebooks/student/*.ipynb; do [ -e notebooks/work/$${f##*/} ] || cp $$f notebooks/work/; done
	$(BIN) -m jupyter lab notebooks --LabApp.default_url=/lab/tree/work/00-start-here.ipynb $(AS_ROOT)

# What is missing is named and skipped; with CI=true it fails.
test: static
	$(PYTEST) $(ARGS)

quick: static
	$(PYTEST) -m "not slow" $(ARGS)

static: $(VENV)/.installed-test
	$(BIN) -m ruff check .
	$(BIN) -m ruff format --check .
	$(VENV)/bin/typos
	$(BIN) -m mypy

book: $(VENV)/.installed-book
	$(BIN) book/build.py $(ARGS)

# The pages are those of make book; they are made first if there are none.
pdf: $(VENV)/.installed-pdf
	test -f book/_build/html/index.html || $(BIN) book/build.py
	$(BIN) book/paper.py $(ARGS)

slides: $(VENV)/.installed-book
	$(BIN) book/slides.py $(ARGS)

slides-pdf: $(VENV)/.installed-test
	$(BIN) book/slides.py --pdf $(ARGS)

dashboard: $(VENV)/.installed-dashboard
	$(BIN) book/dashboard.py $(or $(ARGS),00)

benchmark: $(VENV)/.installed-lab
	$(BIN) -m course_utils.benchmark

reproduce: $(VENV)/.installed-train
	$(BIN) -m course_utils.reproduce $(ARGS)

weights: $(VENV)/.installed-lab
	$(BIN) data_scripts/fetch_mnist.py
	$(BIN) -m course_utils.training --ship

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .ruff_cache .mypy_cache book/_build
	find . -name __pycache__ -prune -exec rm -rf {} + -o -name .ipynb_checkpoints -prune -exec rm -rf {} +
