# Every command there is. `make` alone prints them.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.SUFFIXES:

# npm runs on whatever Node the machine has; what it starts runs on the Node 24 of node_modules.
NPM := npm --silent
NODE := $(NPM) run node --
# CI=1: a test never writes a snapshot file; only `make golden` does.
VITEST := CI=1 $(NPM) run vitest --
INSTALLED := node_modules/.package-lock.json
SUITES ?=
TYPE ?=
ONCE ?=
SIZE ?=
LAYER ?=
FILES ?=
TESTS ?=
WORKERS ?=
STORY ?=

.PHONY: help
help: ## Print every target.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(INSTALLED) ## Install the npm packages of the lock file, unless they are there.
$(INSTALLED): package-lock.json
	npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2
	@touch $@

.PHONY: bed
bed: setup ## Build or download every server the tests need (minutes the first time, then nothing).
	@$(NODE) scripts/bed.ts prepare

.PHONY: bed-env
bed-env: setup ## Print the shell exports with which the servers of `make bed` can be used by hand.
	@$(NODE) scripts/bed.ts env

.PHONY: check
check: setup ## Format, lint, types, import law, unused code, generated documents and the chart, without changing anything.
	@$(NPM) run check:format
	@$(NPM) run typecheck
	@$(NPM) run check:lint
	@$(NPM) run check:imports
	@$(NPM) run check:unused
	@$(NPM) run check:docs
	@$(NPM) run check:chart

.PHONY: format
format: setup ## Format every file.
	@$(NPM) run format

.PHONY: test
test: check bed ## check, then each suite but test-matrix once, beside each other; SUITES="crd cluster" for some, all is what CI runs.
	@CI=1 $(NODE) scripts/test.ts $(SUITES)

.PHONY: test-unit
test-unit: setup ## Unit, property and golden tests, and both controllers whole on fakes: 80 s on two idle cores, no servers.
	@$(VITEST) --project unit --coverage

.PHONY: test-fast
test-fast: setup ## Seconds: those of one registry type or area, and the golden stories; TYPE=nacos, TYPE=hub, part of a file's name.
	@test -n "$(TYPE)" || { echo 'of what? make test-fast TYPE=nacos' >&2; exit 2; }
	@$(VITEST) --project unit test/golden $(TYPE)

.PHONY: test-bed
test-bed: bed ## The test bed itself: every server starts, answers and leaves nothing behind.
	@$(VITEST) --project bed

.PHONY: test-crd
test-crd: bed ## The RegistryHub resource on a real API server: what is accepted, what is refused, in which words.
	@$(VITEST) --project crd

.PHONY: test-cluster
test-cluster: bed ## The Kubernetes client, reflector, apply and election on a real API server; test-unit has them on the fake one.
	@$(VITEST) --project cluster

.PHONY: test-tenancy
test-tenancy: bed ## What one tenant can do to another, on a real API server; prints the attacks of docs/security.md.
	@$(VITEST) --project tenancy

.PHONY: test-monitoring
test-monitoring: bed ## Alerts by promtool, and a real Prometheus that scrapes the running operator (Debian).
	@$(VITEST) --project monitoring

.PHONY: test-page
test-page: bed ## The page of the hub-controller in a Chromium (Debian).
	@$(VITEST) --project page

.PHONY: screenshots
screenshots: bed ## The same, and take the pictures of docs/page.md anew.
	@SCREENSHOTS=1 $(VITEST) --project page

.PHONY: test-contract
test-contract: bed ## The registry adapters on real registries, and on the fakes; TYPE=zookeeper for one type.
	@$(VITEST) --project contract --project fakes --project matrix-contract $(TYPE)

.PHONY: test-outage
test-outage: bed ## Outages of a real registry under the built controllers; TYPE=zookeeper for one type.
	@$(VITEST) --project outage --project matrix-outage $(TYPE)

.PHONY: test-e2e
test-e2e: bed ## The program as a process, with real servers, and kubectl as its user.
	@$(VITEST) --project e2e --project e2e-alone

.PHONY: test-upgrade
test-upgrade: bed ## The first version makes 300 entries of all four registries, this one takes over, and back; then under calls.
	@$(VITEST) --project upgrade
	@CI=1 $(NODE) scripts/mesh.ts test/mesh/upgrade

.PHONY: test-release
test-release: bed ## The Helm chart against kustomize and on a real API server, make release, and what Argo CD and Flux say of hubs.
	@$(VITEST) --project release

.PHONY: test-matrix
test-matrix: bed ## Older versions: ZooKeeper 3.4 and 3.8, Nacos 2, Istio's CRDs from 1.18 on; and root namespace istio-system.
	@CI=1 $(NODE) scripts/test.ts matrix

.PHONY: test-mesh
test-mesh: bed ## Calls: real Istio, Envoy and consumers, in a network of their own (root, Debian); STORY=dubbo for some files.
	@CI=1 $(NODE) scripts/mesh.ts $(STORY)

.PHONY: mutants
mutants: setup ## Mutation tests, not part of CI; LAYER=plan, status, removal, translate or controllers, or FILES=; TESTS=; WORKERS=2.
	@LAYER=$(LAYER) FILES=$(FILES) TESTS=$(TESTS) WORKERS=$(or $(WORKERS),2) $(NPM) run mutants

.PHONY: golden
golden: setup ## Rewrite the expected files of the golden stories; read the diff before committing it.
	@$(NPM) run vitest -- --project unit test/golden --update

.PHONY: docs
docs: setup ## Write the generated documents.
	@$(NODE) scripts/docs.ts

.PHONY: chart
chart: setup ## Copy the manifests of config/ into the Helm chart.
	@$(NODE) scripts/chart.ts

.PHONY: build
build: setup ## Bundle the program into dist/registryhub.mjs.
	@$(NODE) scripts/build.ts

.PHONY: image
image: setup ## Build the image with docker, podman or buildah; IMAGE=name:tag, BASE=, BUILD_BASE=, PLATFORM=, BUILDER=.
	@$(NODE) scripts/image.ts

.PHONY: release
release: setup ## Manifests, chart, images, SBOM and checksums, in dist/release; REPOSITORY=, PLATFORMS=, and those of image.
	@$(NODE) scripts/release.ts

.PHONY: run
run: setup ## Run both controllers against the current kubeconfig; ctrl-c stops both.
	@bin/registryhub hub-controller & hub=$$!; bin/registryhub dubbo-controller & dubbo=$$!; \
	  trap 'kill $$hub $$dubbo' INT TERM; wait $$hub $$dubbo; wait

.PHONY: demo
demo: setup ## Show the whole story on real servers, then stay up; ONCE=1 ends after the last step; MESH=1 adds a call; TYPE=nacos, eureka, consul.
	@TYPE=$(or $(TYPE),zookeeper) ONCE=$(ONCE) MESH=$(MESH) $(NODE) scripts/demo.ts

.PHONY: bench
bench: bed ## Measure on real servers, 40 minutes in all, and write docs/performance.md; TYPE=zookeeper for one type, SIZE=1000.
	@TYPE=$(TYPE) SIZE=$(SIZE) $(NODE) scripts/bench.ts

.PHONY: clean
clean: ## Remove what was built; the servers of the test bed stay in their cache.
	rm -rf dist coverage .stryker
