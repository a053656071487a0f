# Everything runs from here; each target bootstraps what it needs. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
BIN := .venv/bin
READY := .venv/.ready

.PHONY: help demo up openapi test test-ml check format bench fuzz eval faults faults-publishing lock clean

help: ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(READY): requirements.lock pyproject.toml deploy/setup.sh
	@bash deploy/setup.sh

demo: $(READY) ## Make a sample film and turn it into finished clips in demo/
	@$(BIN)/cliply sample demo
	@$(BIN)/cliply clip demo/cliply-sample.mp4 --clips 4 --max 40 --out demo

up: $(READY) ## Run the whole stack: Postgres, Dagster daemon and UI, REST API
	@$(BIN)/cliply up

openapi: $(READY) ## Write the OpenAPI document of the REST API to docs/openapi.json, and print it
	@set -o pipefail; $(BIN)/python -m cliply_api.openapi | tee docs/openapi.json

# A worker that crashed is not replaced: the new one may wait for ever for the last test of a file.
test: $(READY) ## Run the whole test suite
	@$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 0 $(ARGS)

.venv-ml/.ready: requirements-ml.lock deploy/setup_ml.sh | $(READY)
	@bash deploy/setup_ml.sh

test-ml: .venv-ml/.ready ## Run the engines of the ml extra through their real loaders (own environment, 8 GB)
	@.venv-ml/bin/pytest -n 0 $(ML_TESTS) $(ARGS)

ML_TESTS := tests/unit/speech/test_speech_whisper.py tests/unit/speech/test_speech_phonemes.py tests/unit/vision/test_yolo_faces.py \
	tests/unit/search/test_open_clip.py

check: $(READY) ## Lint, formatting, types and the rules of import
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

format: $(READY) ## Format the code
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

bench: $(READY) ## Measure speed and memory; prints ratios of one run as JSON
	@$(BIN)/python tests/bench/run.py

eval: $(READY) ## Measure how good the clips are; FILMS=cut,walk for some films; prints JSON
	@$(BIN)/python tests/eval/run.py $(if $(FILMS),--films $(FILMS))

fuzz: $(READY) ## Send REQUESTS=10000 made-up requests to the REST API; prints one JSON document
	@$(BIN)/python tests/bench/fuzz_api.py --requests $(or $(REQUESTS),10000) $(if $(SEED),--seed $(SEED))

faults: $(READY) ## Kill a whole stack's processes KILLS=100 times while it works; prints one JSON document
	@$(BIN)/python tests/faults/kill_pipeline.py --kills $(or $(KILLS),100) $(if $(SEED),--seed $(SEED))

faults-publishing: $(READY) ## Kill publishers KILLS=500 times on every platform under every fault; prints one JSON document
	@$(BIN)/python tests/simulators/kill_campaign.py --kills $(or $(KILLS),500) $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY)) 2>/dev/null

lock: $(READY) ## Resolve the dependencies anew into the lock files
	@$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --quiet --upgrade -o requirements.lock
	@$(BIN)/uv pip compile pyproject.toml --group dev --extra ml --overrides deploy/ml-overrides.txt --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header --quiet --upgrade -o requirements-ml.lock

clean: ## Remove the environment and the demo's output
	@rm -rf .venv .venv-ml demo
