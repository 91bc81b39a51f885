# Everything below needs Go; what else a target wants, it says.
.DEFAULT_GOAL := help
GO ?= go
FUZZTIME ?= 10s
LDFLAGS := -s -w

.PHONY: help build test lint bench demo fuzz fmt clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

build: ## build bin/oominit, static and stripped
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/oominit ./cmd/oominit

test: ## run every test that this machine can run; list those that it cannot, with the reason
	$(GO) test -race -json -timeout 20m ./... | $(GO) run ./internal/testsummary

lint: ## run golangci-lint, pinned in internal/tools/go.mod
	$(GO) vet ./...
	$(GO) tool -modfile=internal/tools/go.mod golangci-lint run ./...

bench: build ## measure the budgets beside tini, dumb-init and catatonit (root; Debian's packages)
	$(GO) run ./bench -oominit bin/oominit

demo: ## show the problem and the cure side by side (Docker, or root and a memory cgroup)
	sh examples/demo/demo.sh

fuzz: ## run each fuzz target for FUZZTIME
	@$(GO) list ./... | while read -r package; do \
	  for target in $$($(GO) test -list '^Fuzz' "$$package" | grep '^Fuzz'); do \
	    echo "$$package $$target"; \
	    $(GO) test "$$package" -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) || exit 1; \
	  done; \
	done

fmt: ## format the code
	gofmt -w $$(git ls-files '*.go')

clean: ## remove what build made
	rm -rf bin
