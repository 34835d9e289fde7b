package sentrylog

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/getsentry/sentry-go"
)

// foreignTimeout bounds what the application itself captures through the
// exporter's client, in the goroutine that captures.
const foreignTimeout = 2 * time.Second

// noRelease stands for "none" in the client's options, where an empty release
// would make sentry-go run git.
const noRelease = "-"

// transport sends each event before SendEvent returns, in the context of the
// Export that it belongs to.
type transport struct {
	sync    *sentry.HTTPSyncTransport
	courier *courier

	ctx  context.Context // ends when the exporter is shut down
	stop context.CancelFunc

	mu      sync.Mutex
	pending map[sentry.EventID]*delivery
}

var _ sentry.Transport = (*transport)(nil)

func newTransport(next http.RoundTripper) *transport {
	t := &transport{
		sync:    sentry.NewHTTPSyncTransport(),
		courier: &courier{next: next},
		pending: make(map[sentry.EventID]*delivery),
	}
	t.ctx, t.stop = context.WithCancel(context.Background())
	return t
}

// httpClient returns the client to put into the options of sentry-go.
func (t *transport) httpClient() *http.Client {
	return &http.Client{Transport: t.courier}
}

// expect announces an event before it is captured.
func (t *transport) expect(id sentry.EventID, d *delivery) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pending[id] = d
}

// forget is called after the capture, since a hook may have dropped the event.
func (t *transport) forget(id sentry.EventID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.pending, id)
}

// Configure implements [sentry.Transport].
func (t *transport) Configure(options sentry.ClientOptions) { t.sync.Configure(options) }

// SendEvent implements [sentry.Transport].
func (t *transport) SendEvent(event *sentry.Event) {
	if event.Release == noRelease {
		event.Release = ""
	}
	t.mu.Lock()
	d := t.pending[event.EventID]
	t.mu.Unlock()
	if d == nil {
		ctx, cancel := context.WithTimeout(t.ctx, foreignTimeout)
		defer cancel()
		d = &delivery{ctx: ctx, once: true}
	}
	t.sync.SendEventWithContext(context.WithValue(d.ctx, deliveryKey{}, d), event)
}

// Flush implements [sentry.Transport]. Nothing is ever buffered.
func (t *transport) Flush(time.Duration) bool { return true }

// FlushWithContext implements [sentry.Transport].
func (t *transport) FlushWithContext(context.Context) bool { return true }

// Close implements [sentry.Transport]. The exporter closes, not the client.
func (t *transport) Close() {}
