package test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otellock/otellock-go/internal/otlptest"
)

// A fleetGateway is one of several, with the two ends of its routes.
type fleetGateway struct {
	*collector
	pager, raw *otlptest.Receiver
}

// TestOneOfTwoGatewaysIsStopped runs an agent and two gateways, and ends one of
// them as an orchestrator does, or as the kernel does. The interval is longer than
// the test: a key has one warning, and one more where its route has moved.
func TestOneOfTwoGatewaysIsStopped(t *testing.T) {
	for how, end := range map[string]func(*collector){"SIGTERM": (*collector).stop, "kill -9": func(c *collector) { c.kill() }} {
		t.Run(how, func(t *testing.T) {
			const services, before, during, after = 16, 20, 5, 10
			var gateways [2]fleetGateway
			for i := range gateways {
				g := &gateways[i]
				g.collector, g.pager, g.raw = pagingCollector(t, "1h")
			}
			stays, goes := gateways[0], gateways[1]
			routes := filepath.Join(t.TempDir(), "gateways.yaml")
			route := func(to ...fleetGateway) {
				var addrs []string
				for _, g := range to {
					addrs = append(addrs, g.grpc)
				}
				if err := os.WriteFile(routes, []byte("{static: {hostnames: ["+strings.Join(addrs, ", ")+"]}}"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			route(stays, goes)
			agent := startCollector(t, []string{"base", "agent-loadbalanced"}, map[string]string{"GATEWAY_RESOLVER": "${file:" + routes + "}"})

			var fleet [services]sender
			for i := range fleet {
				fleet[i] = newSender(t, agent.http, attribute.String("service.name", fmt.Sprint("service-", i)), attribute.String("service.namespace", "shop"))
			}
			sent := int64(0)
			send := func(n int) {
				for range n {
					for _, s := range fleet {
						s.logs.Logger("lib").Emit(t.Context(), warning(attribute.Int(suppressedCount, 0)))
						sent++
					}
				}
			}
			arrived := func(what string) {
				t.Helper()
				eventually(t, 60*time.Second, what, func() error {
					if n := len(stays.raw.Logs()) + len(goes.raw.Logs()); int64(n) != sent {
						return fmt.Errorf("%d of %d records have arrived", n, sent)
					}
					return nil
				})
			}

			send(before)
			arrived("the gateways have everything")
			owned := func(g fleetGateway) map[string]int { // warnings by service
				by := map[string]int{}
				for _, l := range g.pager.Logs() {
					if l.GetEventName() != summaryEvent {
						name, _ := otlptest.Attr(l.Resource.GetAttributes(), "service.name").(string)
						by[name]++
					}
				}
				return by
			}
			eventually(t, 20*time.Second, "every service has a warning", func() error {
				if n := len(owned(stays)) + len(owned(goes)); n != services {
					return fmt.Errorf("%d of %d", n, services)
				}
				return nil
			})
			moved := owned(goes)
			if len(moved) == 0 || len(moved) == services {
				t.Fatalf("one gateway has %d of %d services", len(moved), services)
			}
			if warnings, _ := account(append(stays.pager.Logs(), goes.pager.Logs()...)); warnings != services {
				t.Errorf("%d warnings of %d keys, want one each", warnings, services)
			}
			held := int64(len(moved)) * (before - 1)
			goes.drained() // or what has been sent is sent again after the kill

			end(goes.collector)
			send(during) // those of the gateway that is gone wait in the agent
			route(stays)
			if err := agent.cmd.Process.Signal(syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
			arrived("what waited has followed the routes")
			send(after)
			arrived("the other gateway has everything")
			eventually(t, 20*time.Second, "one more warning of each key whose route has moved", func() error {
				if n := len(owned(stays)); n != services {
					return fmt.Errorf("%d of %d services", n, services)
				}
				return nil
			})
			for name, n := range owned(stays) {
				if n != 1 {
					t.Errorf("%s: %d warnings of one gateway, want 1", name, n)
				}
			}

			goes.start() // with its queue
			stays.flush()
			lost := int64(0)
			if how == "kill -9" {
				lost = held
			}
			eventually(t, 30*time.Second, "what was not lost is accounted for", func() error {
				warnings, occurrences := account(append(stays.pager.Logs(), goes.pager.Logs()...))
				if want := int64(services + len(moved)); warnings != want || occurrences != sent-lost {
					return fmt.Errorf("%d warnings, want %d; %d occurrences, want %d", warnings, want, occurrences, sent-lost)
				}
				return nil
			})
			t.Logf("%s: %d occurrences of %d keys, %d keys moved: %d + %d warnings; the gateway held %d occurrences, of which %d are lost",
				how, sent, services, len(moved), services, len(moved), held, lost)
		})
	}
}

// drained waits until nothing is in the queues of a Collector's exporters.
func (c *collector) drained() {
	c.t.Helper()
	size := regexp.MustCompile(`(?m)^otelcol_exporter_queue_size\{.*\} (\S+)$`)
	eventually(c.t, 20*time.Second, "the queues are empty", func() error {
		res, err := http.Get("http://" + c.metrics + "/metrics")
		if err != nil {
			return err
		}
		defer res.Body.Close()
		page, err := io.ReadAll(res.Body)
		if err != nil {
			return err
		}
		queues := size.FindAllStringSubmatch(string(page), -1)
		if len(queues) == 0 {
			return errors.New("the page has no queue")
		}
		for _, q := range queues {
			if q[1] != "0" {
				return errors.New(q[0])
			}
		}
		return nil
	})
}
