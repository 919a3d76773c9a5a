# Two commands do everything: `make run` (environment and the whole study) and `make test`. VARS passes project variables:
# make run VARS="--vars.encoder medner-ro-fr-small --vars.gpu 0"
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: install run test lint format configs readme reference clean

install: $(INSTALLED)

run: $(INSTALLED)
	$(BIN)/python -m spacy project run all . $(VARS)

test: $(INSTALLED)
	$(BIN)/python -m pytest

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy medner scripts benchmarks

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# exp1.cfg, exp2.cfg and exp3.cfg from transformer.cfg.
configs: $(INSTALLED)
	$(BIN)/python scripts/write_configs.py

# docs/commands.md from project.yml; summaries, and all that README and docs/results.md quote of committed metrics. A copy
# of project.yml is documented, since beside fetched corpora the document would have links to them.
readme: $(INSTALLED)
	set -e; copy=$$(mktemp -d); cp project.yml $$copy; \
	  $(BIN)/python -m spacy project document $$copy --no-emoji --output docs/commands.md; rm -r $$copy
	sed -i 's|(project.yml)|(../project.yml)|' docs/commands.md
	cd docs; set -e; for summary in ../metrics/reference/*/summary.md; do metrics=$${summary%/*}; \
	  ../$(BIN)/python ../scripts/summarise.py --metrics $$metrics; \
	  if grep -q "results of $$metrics: start" results.md; then \
	    ../$(BIN)/python ../scripts/summarise.py --metrics $$metrics --insert-into results.md; fi; \
	  if grep -q "evidence of $$metrics: start" results.md; then \
	    ../$(BIN)/python ../scripts/write_headline.py $$metrics results.md; fi; done
	set -e; for metrics in metrics/reference/*; do if grep -q " of $$metrics: start" README.md; then \
	  $(BIN)/python scripts/write_headline.py $$metrics README.md; fi; done
	$(BIN)/python scripts/write_card.py metrics/reference/mirror docs/model-card.md

# Keeps this machine's scores as reference results: `make reference NAME=mirror`, then `make readme`.
KEPT := -name scores.json -o -name counts.json.gz -o -name curve.json -o -name significance.json -o -name significance.md -o -name curves.json -o -name summary.md -o -regex './[^/]*/calibration.json' -o -path './dev/*.json' -o -path './robustness/*.json'
reference:
	test -n '$(NAME)'  # else the next line would remove all of them
	rm -rf metrics/reference/$(NAME)
	mkdir -p metrics/reference/$(NAME)
	cd metrics && find . \( -path ./reference -o -path ./curves \) -prune -o \( $(KEPT) \) -exec cp --parents {} reference/$(NAME) \;

clean:
	rm -rf .venv assets/fetched corpus training project.lock

$(INSTALLED): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("medner needs Python 3.11 or newer; set PYTHON=python3.x" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@
