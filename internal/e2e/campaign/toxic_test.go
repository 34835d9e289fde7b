package campaign

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/toxics"
	"github.com/rs/zerolog"
)

const (
	requests = "upstream"
	replies  = "downstream"
)

func newProxy(t testing.TB, upstream string) *toxiproxy.Proxy {
	t.Helper()
	api := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := toxiproxy.NewProxy(api, t.Name(), "127.0.0.1:0", upstream)
	if err := p.Start(); err != nil {
		t.Fatalf("start the proxy: %v", err)
	}
	return p
}

// poison adds a toxic to one direction of a share of the proxy's connections.
func poison(t testing.TB, p *toxiproxy.Proxy, kind, stream string, share float64, attributes map[string]any) (name string) {
	t.Helper()
	name = fmt.Sprint(kind, len(p.Toxics.GetToxicArray()))
	description, err := json.Marshal(map[string]any{"name": name, "type": kind, "stream": stream, "toxicity": share, "attributes": attributes})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Toxics.AddToxicJson(bytes.NewReader(description)); err != nil {
		t.Fatalf("add the toxic %s: %v", kind, err)
	}
	return name
}

// flaky is a toxic that loses, delays and cuts off what passes. Unlike those of
// toxiproxy it never waits for a connection that is gone, which would hang whoever
// takes the toxic away.
type flaky struct {
	Lost  float64 `json:"lost"`  // the probability that a chunk is lost
	Cut   float64 `json:"cut"`   // the probability that a loss closes the connection
	Least int64   `json:"least"` // the least delay, in milliseconds
	Most  int64   `json:"most"`  // the longest delay
	Bytes int     `json:"bytes"` // after which the connection is closed; 0 is never
}

func init() { toxics.Register("flaky", new(flaky)) }

func (f *flaky) Pipe(stub *toxics.ToxicStub) {
	passed := 0
	for {
		select {
		case <-stub.Interrupt:
			return
		case chunk := <-stub.Input:
			if chunk == nil {
				stub.Close()
				return
			}
			if rand.Float64() < f.Lost {
				if rand.Float64() < f.Cut {
					stub.Close()
					return
				}
				continue
			}
			interrupted := false
			select {
			case <-time.After(f.delay()):
			case <-stub.Interrupt:
				interrupted = true
			}
			if passed += len(chunk.Data); f.Bytes > 0 && passed > f.Bytes {
				chunk.Data = chunk.Data[:max(0, len(chunk.Data)-(passed-f.Bytes))]
				_ = stub.WriteOutput(chunk, patience)
				stub.Close()
				return
			}
			if stub.WriteOutput(chunk, patience) != nil { // nobody reads any more
				stub.Close()
				return
			}
			if interrupted {
				return
			}
		}
	}
}

// patience is how long a toxic waits for the connection to take a chunk.
const patience = time.Second

func (f *flaky) delay() time.Duration {
	return time.Duration(f.Least+rand.Int64N(f.Most-f.Least+1)) * time.Millisecond
}
