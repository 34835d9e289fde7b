# What a stranger runs: `make test`. What CI runs on top of it: .ci/run.
GO          ?= go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
TESTFLAGS   ?=

# `work` is every package of the modules that go.work ties together; `./...` would be those of one module only.
# MODULES are all modules but the Collector's, which collector-config/Makefile looks after.
MODULES = $(patsubst %/,%,$(dir $(shell git ls-files 'go.mod' '*/go.mod' ':!collector-config')))
# Its own dependencies are not all to be had: see its test.
UNTIDY = internal/e2e/etcd/peer

.PHONY: help test test-collector lint alone licenses generate bench redis browser postgres

help: ## what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' Makefile

test: redis browser postgres ## the whole test suite, against real servers and a real browser
	$(GO) test $(TESTFLAGS) work
	cd otellock/oteletcd && GOWORK=off $(GO) test $(TESTFLAGS) .
	cd internal/e2e/etcd && GOWORK=off $(GO) test $(TESTFLAGS) .
	cd internal/e2e/etcd/peer && GOWORK=off $(GO) test $(TESTFLAGS) .

test-collector: redis ## the Collector's configurations, dashboards and alerts, run for real
	$(MAKE) -C collector-config test

lint: alone ## gofmt, vet, staticcheck, and every module alone
	@out=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$out" || { echo "gofmt -w these files:"; echo "$$out"; exit 1; }
	$(GO) vet work
	$(GO) run $(STATICCHECK) work

alone: ## every module as who requires it sees it, without go.work: tidy, vet, its tests compiled
	@for dir in $(MODULES); do echo "$$dir"; \
		(cd $$dir && export GOWORK=off && { test $$dir = $(UNTIDY) || $(GO) mod tidy -diff; } && $(GO) vet ./... && $(GO) test -run '^$$' ./... >/dev/null) || exit 1; done

licenses: ## what every module here needs is under a permissive license
	cd internal/licenses && GOWORK=off $(GO) test . && GOWORK=off $(GO) run . ../..

generate: ## everything that is made from semconv/registry
	$(GO) generate ./...

bench: ## the instrumented lock beside its hand-written floor, the throttle beside its peers
	$(GO) test ./otellock ./internal/e2e -run '^$$' -bench . -benchmem
	$(GO) test ./exporter/throttle -run '^$$' -bench . -benchmem -cpu 1,2
	cd exporter/throttle/benchmarks && GOWORK=off $(GO) test -run '^$$' -bench . -benchmem -cpu 1,2
	cd otellock/benchmarks && GOWORK=off $(GO) test -run '^$$' -bench . -benchmem
	cd otellock/benchmarks && GOWORK=off $(GO) run ./peers
	$(MAKE) -C collector-config bench

# The tests start their own servers, Sentinels too; only the program has to be there.
redis:
	@sh .ci/need redis-server redis-server redis

# The page of otellock/lockz is looked at.
browser:
	@sh .ci/need chromium chromium

postgres:
	@sh .ci/need initdb postgresql
