.DEFAULT_GOAL := help

help: ## Show what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-13s %s\n", $$1, $$2}'

run: ## Start the quick start on http://localhost:8080
	go run ./cmd/canopy dev

build: ## Build the binary, without cgo
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o canopy ./cmd/canopy

test: ## Run all tests on SQLite and PostgreSQL (installs Debian's postgresql as root)
	scripts/test

race: ## The same under the race detector
	scripts/test -race ./...

bench: ## Measure: the whole server on both engines, then the decision engine
	scripts/bench
	scripts/bench-evaluate
	./canopy bench decide

model: ## Check the models of how processes agree (installs Debian's spin as root)
	scripts/model

replicas: ## A million calls of several processes while things fail, each answer judged
	scripts/replicas

lint: ## Formatting, vet and all linters of .golangci.yml; the first run builds them
	go tool -modfile=tools/go.mod golangci-lint run

lint-openapi: ## Check api/openapi.json (installs Debian's nodejs and npm as root)
	scripts/lint-openapi

fmt: ## Format as lint wants it
	go tool -modfile=tools/go.mod golangci-lint fmt

check: ## Lint and tests: what .ci/run runs
	.ci/run

.PHONY: help run build test race bench model replicas lint lint-openapi fmt check
