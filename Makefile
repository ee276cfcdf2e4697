# Two commands do everything: `make book` builds the book, `make test` tests library and book.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
CHAPTERS := $(wildcard book/*.ipynb)
NARROW := --line-length 84  # the code of a chapter must fit the column of a page

# SOLUTIONS=no builds pages and notebooks without the solutions of the exercises.
SOLUTIONS ?= yes

# TORCH=cpu takes PyTorch's CPU wheels (about 200 MB) instead of the CUDA ones (several GB).
TORCH ?=
ifeq ($(TORCH),cpu)
TORCH_INDEX := --index-url https://download.pytorch.org/whl/cpu
else ifneq ($(TORCH),)
$(error TORCH is "$(TORCH)"; expected nothing or "cpu")
endif

.DEFAULT_GOAL := help
.PHONY: help book class slides pdf zip test gpu lint serve clean
.NOTPARALLEL:

help:   ## show this list
	@grep -E '^[a-z]+: .*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16
	@echo "  SOLUTIONS=no    leave the solutions of the exercises out of pages and notebooks"
	@echo "  TORCH=cpu       take PyTorch's CPU wheels;  PYTHON=python3.12 chooses the interpreter"

$(READY): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(not (3, 11) <= v <= (3, 14) and \
	  "Python 3.11 to 3.14 is needed (tried on 3.11 and 3.13), $(PYTHON) is %d.%d: try make PYTHON=python3.12" % v)'
	@$(PYTHON) -c 'import ensurepip, venv' || { echo "Python's venv is missing (Debian: apt install python3-venv)"; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check $(TORCH_INDEX) \
	  "$$(grep '^torch==' requirements.lock)"
	$(BIN)/pip install --quiet --disable-pip-version-check -c requirements.lock -e ".[book,test]"
	@touch $@

book: $(READY)   ## build the book and print the page to open
	@$(BIN)/python book/build.py --solutions $(SOLUTIONS)

class: book   ## write a course for nbgrader, an assignment a chapter: _build/class
	@$(BIN)/python book/classroom.py

slides: book   ## make slides of the chapters: _build/slides
	@$(BIN)/python book/slides.py

pdf: book   ## print the book, which needs Chromium: _build/book.pdf
	@$(BIN)/python book/pdf.py

zip: book   ## pack pages and notebooks for a USB stick: _build/book.zip
	@$(BIN)/python book/bundle.py

test: book   ## test everything, on a book that is up to date
	@$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

gpu: $(READY)   ## on a GPU: tests, speed, a training for each chapter; 9 minutes a call, go on with the same
	@$(BIN)/python benchmarks/first_hour.py

lint: $(READY)   ## ruff, the order of imports, notebooks without outputs, spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/ruff check $(NARROW) $(CHAPTERS)
	$(BIN)/ruff format --check $(NARROW) $(CHAPTERS)
	$(BIN)/nbstripout --keep-id --verify $(CHAPTERS)
	$(BIN)/codespell .ci README.md CONTRIBUTING.md CITATION.cff LICENSE Makefile *.toml *.yml \
	  benchmarks book data examples tests vbl

serve: book   ## build the book and serve it at http://localhost:8000
	@$(BIN)/python -m http.server --directory _build/html --bind localhost 8000

clean:   ## remove what was built (keeps .venv; `rm -r .venv` removes that too)
	rm -rf _build build dist .pytest_cache .ruff_cache .hypothesis
