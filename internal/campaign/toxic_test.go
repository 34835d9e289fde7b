package campaign

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"testing"

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

// poison adds a toxic to one direction of a share of the proxy's connections; its
// name is its type and the direction.
func poison(t testing.TB, p *toxiproxy.Proxy, kind, stream string, share float64, attributes map[string]any) {
	t.Helper()
	description, err := json.Marshal(map[string]any{"name": kind + stream, "type": kind, "stream": stream, "toxicity": share, "attributes": attributes})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Toxics.AddToxicJson(bytes.NewReader(description)); err != nil {
		t.Fatalf("add the toxic %s: %v", kind, err)
	}
}

// lossy is a toxic that loses some of what passes, and closes the connection in
// its place now and then.
type lossy struct {
	Lost float64 `json:"lost"` // the probability that a chunk is lost
	Cut  float64 `json:"cut"`  // the probability that a loss closes the connection
}

func init() { toxics.Register("lossy", new(lossy)) }

func (l *lossy) Pipe(stub *toxics.ToxicStub) {
	for {
		select {
		case <-stub.Interrupt:
			return
		case chunk := <-stub.Input:
			switch {
			case chunk == nil:
				stub.Close()
				return
			case rand.Float64() >= l.Lost:
				stub.Output <- chunk
			case rand.Float64() < l.Cut:
				stub.Close()
				return
			}
		}
	}
}
