# `make help` lists the targets with a ##.
SHELL := /bin/bash
CONFIGURATION ?= Release
DOTNET ?= dotnet
ARCHITECTURES ?= amd64 arm64
export BASE_IMAGE
TESTS := tests/Unit tests/Integration tests/Conformance tests/Simulation tests/EndToEnd
export DOTNET_CLI_TELEMETRY_OPTOUT := 1
export DOTNET_NOLOGO := 1

.DEFAULT_GOAL := help
.PHONY: help build build-operator restore format format-check generate verify test test-only e2e demo readme-picture bench publish images push tools ci clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

restore:
	@$(DOTNET) restore Operator.sln --verbosity quiet

build: restore bin/bursar bin/bursar-agent bin/bursar-demo ## Build everything; leaves bin/bursar, bin/bursar-agent and bin/bursar-demo
	$(DOTNET) build Operator.sln --no-restore --configuration $(CONFIGURATION) --verbosity quiet

build-operator: bin/bursar
	@$(DOTNET) build operator/Operator --configuration $(CONFIGURATION) --verbosity quiet

# Launchers, so that paths do not depend on build folders. exec keeps the process id, so that signals reach the program.
bin/bursar: Makefile
	@mkdir -p bin
	@printf '#!/bin/sh\nexec $(DOTNET) "$$(dirname "$$(readlink -f "$$0")")/../operator/Operator/bin/$(CONFIGURATION)/net10.0/bursar.dll" "$$@"\n' > $@
	@chmod +x $@

bin/bursar-agent: Makefile
	@mkdir -p bin
	@printf '#!/bin/sh\nexec $(DOTNET) "$$(dirname "$$(readlink -f "$$0")")/../operator/AgentHost/bin/$(CONFIGURATION)/net10.0/bursar-agent.dll" "$$@"\n' > $@
	@chmod +x $@

bin/bursar-demo: Makefile
	@mkdir -p bin
	@printf '#!/bin/sh\nexec $(DOTNET) "$$(dirname "$$(readlink -f "$$0")")/../operator/Demo/bin/$(CONFIGURATION)/net10.0/bursar-demo.dll" "$$@"\n' > $@
	@chmod +x $@

format: ## Format the code (CSharpier)
	@$(DOTNET) tool restore > /dev/null
	$(DOTNET) csharpier format operator tests

format-check: ## Fail if the code is not formatted
	@$(DOTNET) tool restore > /dev/null
	$(DOTNET) csharpier check operator tests

generate: build-operator ## Generate the CRDs, the chart's rights and docs/reference from the code, and the chart's README from its values
	bin/bursar generate --out .
	@node .ci/chart-readme.mjs

verify: build-operator ## Fail if a generated file is stale or a link between documents is broken
	bin/bursar generate --check --out .
	@node .ci/chart-readme.mjs --check
	@node .ci/links.mjs

tools: ## Unpack kubectl, helm, prometheus, promtool and npm's gRPC client into .tools/
	@.ci/tools

test: build tools test-only ## Run all tests; tests without their prerequisites are skipped and counted

test-only:
	@.ci/test $(CONFIGURATION) $(TESTS)

e2e: build tools ## Run the tests that need a real kube-apiserver on it (KUBEBUILDER_ASSETS, /usr/local/kubebuilder/bin, or KUBECONFIG with BURSAR_TEST_CLUSTER=1)
	@assets="$${KUBEBUILDER_ASSETS:-/usr/local/kubebuilder/bin}"; \
	if [ -x "$$assets/kube-apiserver" ] || [ "$${BURSAR_TEST_CLUSTER:-}" = 1 ]; then \
	  BURSAR_REQUIRE_APISERVER=1 .ci/test $(CONFIGURATION) tests/Conformance tests/EndToEnd; \
	else \
	  echo "skipped: no kube-apiserver in $$assets and no cluster named (KUBECONFIG with BURSAR_TEST_CLUSTER=1)"; \
	fi

demo: bin/bursar bin/bursar-demo ## Run the demo on an embedded cluster (DEMO_ARGS="--speed 60")
	@[ -e operator/Demo/bin/$(CONFIGURATION)/net10.0/bursar-demo.dll ] \
	  || echo "The first time, NuGet packages are restored (about 100 MB) and the operator is compiled: one to five minutes. Later starts take seconds."
	@echo "1/3 restoring packages ..." && $(DOTNET) restore operator/Demo --verbosity quiet -tl:off
	@echo "2/3 compiling ..." && $(DOTNET) build operator/Demo --no-restore --configuration $(CONFIGURATION) --verbosity quiet -tl:off --nologo -clp:NoSummary
	@echo "3/3 starting the demo ..." && bin/bursar-demo $(DEMO_ARGS)

readme-picture: bin/bursar bin/bursar-demo tools ## Draw docs/demo.svg, the README's terminal session, from a run of the demo with real kubectl
	$(DOTNET) build operator/Demo --configuration $(CONFIGURATION) --verbosity quiet
	@node .ci/readme-picture.mjs

bench: publish ## Measure memory, decoding and decisions of the published programs against the targets of the design
	BURSAR_PUBLISHED=$(CURDIR)/artifacts/publish $(DOTNET) run --project tests/Benchmarks --configuration Release -- $(BENCH_ARGS)

publish: ## Publish both programs, self-contained and trimmed, as single files in artifacts/publish (linux-x64)
	@for project in Operator AgentHost; do \
	  $(DOTNET) publish operator/$$project --configuration Release --runtime linux-x64 --output artifacts/publish --verbosity quiet || exit 1; \
	done
	@ls -l artifacts/publish/bursar artifacts/publish/bursar-agent

images: ## Build both container images as archives in artifacts/images; needs no container engine (ARCHITECTURES="amd64 arm64", BASE_IMAGE=registry/name:tag)
	@DOTNET=$(DOTNET) .ci/images save $(ARCHITECTURES)

push: ## Build both container images for all architectures and push them (REGISTRY=registry.example/team)
	@DOTNET=$(DOTNET) .ci/images push $(REGISTRY) $(ARCHITECTURES)

# Publish before build, because publishing restores for one runtime and the tests must find the normal build.
ci: ARCHITECTURES = amd64
ci: format-check publish images build ## What CI runs: format check, publish, images, build, generated files, all tests, also on the published files and images
	@bin/bursar generate --check --out .
	@node .ci/chart-readme.mjs --check
	@node .ci/links.mjs
	@BURSAR_PUBLISHED=$(CURDIR)/artifacts/publish BURSAR_IMAGES=$(CURDIR)/artifacts/images $(MAKE) --no-print-directory test

clean: ## Remove build outputs (keeps .tools/)
	rm -rf bin artifacts TestResults
	find operator tests -type d \( -name bin -o -name obj \) -prune -exec rm -rf {} +
