# What a stranger runs: `make test`. What CI runs on top of it: .ci/run.
GO          ?= go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
TESTFLAGS   ?=

.PHONY: help test test-collector lint licenses generate bench redis

help: ## what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' Makefile

test: redis ## the whole test suite, against real redis-server processes
	$(GO) test $(TESTFLAGS) ./...

test-collector: redis ## the Collector's configurations, dashboards and alerts, run for real
	$(MAKE) -C collector-config test

lint: ## gofmt, vet, staticcheck, tidy
	@out=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$out" || { echo "gofmt -w these files:"; echo "$$out"; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	$(GO) mod tidy -diff
	cd exporter/throttle/benchmarks && $(GO) vet ./...

licenses: ## what every module here needs is under a permissive license
	cd internal/licenses && $(GO) vet . && $(GO) test . && $(GO) run . ../..

generate: ## everything that is made from semconv/registry
	$(GO) generate ./...

bench: ## the instrumented lock beside its hand-written floor, the throttle beside its peers
	$(GO) test ./otellock -run '^$$' -bench . -benchmem
	$(GO) test ./exporter/throttle -run '^$$' -bench . -benchmem -cpu 1,2
	cd exporter/throttle/benchmarks && $(GO) test -run '^$$' -bench . -benchmem -cpu 1,2

# The tests start their own servers, Sentinels too; only the program has to be there.
redis:
	@sh .ci/need redis-server redis-server redis
