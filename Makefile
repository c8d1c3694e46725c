# Every variable works as an argument (`make demo DATA=photos`) and from the environment (`DATA=photos make demo`).
# Each command does its own set-up: quick the second time.

DATA ?=
PRETRAINED ?=
TASK ?=
STAGE ?= dev
PYTHON ?=
UPGRADE ?=
BINSIGHT_HOME ?=
BINSIGHT_PORT ?=
HOSTS ?=
CERTIFICATE ?= .binsight/certificate
FILE ?=
NAME ?=
MODEL ?=
OUT ?=
JOB ?= training/jobs/waste.json
SEED ?= 0
TRIALS ?=
ONLY ?=
WRITE ?=
AIM ?=

# What is set nowhere must stay unset for the programs, so that their own defaults hold.
export DATA PRETRAINED TASK PYTHON
ifneq ($(BINSIGHT_HOME),)
export BINSIGHT_HOME
endif
ifneq ($(BINSIGHT_PORT),)
export BINSIGHT_PORT
endif

SETUP := sh scripts/setup.sh
API := .venv/bin/python
TRAINING := .venv-train/bin/python
TUNING := .venv-tune/bin/python
TOOLS := .venv-tools/bin/python
TYPED := $(wildcard app.py benchmarks chalicelib device training scripts)

CHECKPOINT = $(if $(PRETRAINED),--pretrained "$(PRETRAINED)")

.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help setup demo train evaluate tune learning-curve results run certificate admin-key test device-test verify-ledger backup restore campaign bench lint check package device-bundle api-docs image-uris requirements ministack hooks clean

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile
	@printf '\nVariables: DATA PRETRAINED TASK JOB MODEL OUT STAGE PYTHON BINSIGHT_HOME BINSIGHT_PORT FILE\n'

setup: ## Make the environments of the service and of training, nothing else
	@$(SETUP) service training

demo: ## Train, register, promote and classify [DATA=<folder of folders of photos>] [PRETRAINED=<weights>] [TASK=classify]
	@$(SETUP) service training
	@$(API) -m scripts.demo

train: ## Train a definition: JOB=training/jobs/waste.json DATA=<labelled photos> [PRETRAINED=<weights>] [STAGE=<on AWS>]
	@$(SETUP) service training
	@$(API) -m training.submit --job "$(JOB)" --data "$(DATA)" --seed "$(SEED)" $(CHECKPOINT) \
		$(if $(OUT),--out "$(OUT)") $(if $(filter-out file,$(origin STAGE)),--stage "$(STAGE)")

evaluate: ## Measure a model on labelled photos: MODEL=<model.tar.gz> DATA=<any form> OUT=<metrics.json>
	@$(SETUP) service
	@$(API) -m training.evaluate --model "$(MODEL)" --data "$(DATA)" --out "$(or $(OUT),build/metrics.json)"

tune: ## Search a definition's ranges: JOB= DATA= [PRETRAINED=] [TRIALS=] [WRITE=1 into the definition] [STAGE=<on AWS>]
	@$(SETUP) $(if $(filter-out file,$(origin STAGE)),service,training tune)
	@$(if $(filter-out file,$(origin STAGE)),$(API) -m scripts.tune_on_sagemaker --stage "$(STAGE)",$(TUNING) -m training.tune) --job "$(JOB)" --data "$(DATA)" --seed "$(SEED)" $(CHECKPOINT) \
		$(if $(OUT),--out "$(OUT)") $(if $(TRIALS),--trials "$(TRIALS)") $(if $(WRITE),--write)

learning-curve: ## Have I enough photos? [DATA=<labelled photos>] [TASK=classify] [PRETRAINED=<weights>] [AIM=0.9] [OUT=<folder>]
	@$(SETUP) service training
	@$(API) -m training.learning_curve --out "$(or $(OUT),build/learning-curve)" --seed "$(SEED)" $(CHECKPOINT) \
		$(if $(DATA),--data "$(DATA)") $(if $(TASK),--task "$(TASK)") $(if $(AIM),--aim "$(AIM)")

results: ## Train and measure the three systems on the real data: [DATA=../shared/data] [ONLY="waste bins"]
	@$(SETUP) service training
	@$(API) -m training.results $(if $(DATA),--data "$(DATA)") $(if $(ONLY),--only $(ONLY))

run: ## Serve on http://127.0.0.1:8000 [BINSIGHT_PORT=8000] [BINSIGHT_HOME=.binsight/home]
	@$(SETUP) service
	@exec $(API) -m chalicelib.server

certificate: ## Make a local CA and a certificate, so that cameras of this network may connect: HOSTS="192.168.1.5 ..."
	@$(SETUP) service
	@$(API) -m scripts.certificate "$(CERTIFICATE)" $(HOSTS)

admin-key: ## Print a new admin key for a home whose key is lost [BINSIGHT_HOME=.binsight/home]
	@$(SETUP) service
	@$(API) -m chalicelib.admin_key

verify-ledger: ## Check that every entry of the ledger follows from the one before [BINSIGHT_HOME=.binsight/home]
	@$(SETUP) service
	@$(API) -m chalicelib.verify_ledger

backup: ## Copy the embedded state while it runs: FILE=<backup.tar.gz> [BINSIGHT_HOME=.binsight/home]
	@$(SETUP) service
	@$(API) -m chalicelib.keeping backup "$(FILE)"

restore: ## Make a home of a backup: FILE=<backup.tar.gz> BINSIGHT_HOME=<a new folder>
	@$(SETUP) service
	@$(API) -m chalicelib.keeping restore "$(FILE)"

campaign: ## Measure, and write the figures: NAME=registry|fleet|events|update|loop OUT=<figures.json>
	@$(SETUP) test training
	$(API) -m benchmarks.campaigns.$(NAME) --out "$(OUT)"

bench: ## Compare with a bare program: NAME=overhead, or NAME=throughput|decoding MODEL=<model.tar.gz> DATA=<photos>
	@$(SETUP) test
	$(API) -m benchmarks.$(NAME) $(if $(MODEL),--model "$(MODEL)" --photos "$(DATA)")

test: ## Run the tests
	@$(SETUP) test training-test
	@sh scripts/test_training.sh
	$(API) -m pytest

device-test: ## Run the camera's tests under a real Python 3.7, where there is one
	@$(SETUP) service
	@sh scripts/test_device.sh

lint: ## Format, lint, types, layers
	@$(SETUP) test
	$(API) -m ruff format --check .
	$(API) -m ruff check .
	$(API) -m mypy $(TYPED)
	.venv/bin/lint-imports
	.venv/bin/vermin --quiet --no-tips --violations --target=3.7- --backport typing device

check: lint package device-test test ## The gate: everything that CI runs

package: ## Build the Lambda's zip and CloudFormation template [STAGE=dev] into build/package/<stage>
	@$(SETUP) test
	$(API) -m scripts.package "$(STAGE)"
	.venv/bin/cfn-lint "build/package/$(STAGE)/sam.json"

device-bundle: ## Pack the camera's agent with install.sh for a DeepLens or a Pi into build/device
	@$(SETUP) test
	@$(API) -m scripts.device_bundle build/device

api-docs: ## Write the API's page for people again, after openapi.yaml has changed
	@$(SETUP) test
	$(API) -m scripts.api_docs

image-uris: ## Compare the committed table of image URIs with SageMaker's SDK (an environment of 0.5 GB)
	@$(SETUP) service sagemaker
	.venv-sagemaker/bin/python -m pytest --noconftest -W ignore tests/integration/test_image_uris.py

requirements: ## Compile requirements/*.in again [UPGRADE=1 takes new versions]
	@$(SETUP) service tools
	$(TOOLS) scripts/compile_requirements.py $(if $(UPGRADE),--upgrade)

ministack: ## Make the environment in which the tests find DynamoDB and S3 over HTTP (65 MB); without it they skip
	@$(SETUP) service ministack

hooks: ## Run the quick part of the gate before every commit
	@$(SETUP) test
	$(API) -m pre_commit install

clean: ## Remove environments, caches and builds; homes (.binsight) stay
	rm -rf .venv .venv-* build .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .chalice/deployments
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
