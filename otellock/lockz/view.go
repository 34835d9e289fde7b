package lockz

import (
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/otellock/otellock-go/internal/live"
)

// maxRows is how many holders, and how many waiters, are on the page: the oldest.
const maxRows = 500

// A view is what the page shows, and the JSON form of it. Durations are seconds.
type view struct {
	At         time.Time    `json:"at"`
	Held       []lock       `json:"held"`
	Waiting    []lock       `json:"waiting"`
	MoreHeld   int          `json:"held_not_shown,omitempty"`
	MoreWait   int          `json:"waiting_not_shown,omitempty"`
	Failures   []failure    `json:"failures"`
	Contention []contention `json:"contention"`
	Breakers   []breaker    `json:"breakers"` // of backends of which one was ever open
}

type lock struct {
	Target     string    `json:"lock.target"`
	KeyPattern string    `json:"lock.key_pattern"`
	Backend    string    `json:"lock.backend.name"`
	Key        int       `json:"key,omitempty"` // rows about the same key have the same number, which means nothing outside of this view; 0 is not known
	Since      time.Time `json:"since"`
	For        float64   `json:"for"`
	Left       *float64  `json:"ttl_left,omitempty"` // of a lease with a time to live; negative if that has passed
	Extends    int       `json:"extends,omitempty"`
	Fence      uint64    `json:"fence,omitempty"`
	TraceID    string    `json:"trace_id,omitempty"`
	Behind     string    `json:"behind_trace_id,omitempty"`
	InProcess  bool      `json:"behind_this_process,omitempty"` // a holder of the same key is in the list of holders
}

type failure struct {
	Target     string     `json:"lock.target"`
	Backend    string     `json:"lock.backend.name"`
	Action     string     `json:"lock.action"`
	Count      uint64     `json:"count"`
	First      time.Time  `json:"first"`
	Last       time.Time  `json:"last"`
	ErrorType  string     `json:"last_error.type"`
	TraceID    string     `json:"last_trace_id,omitempty"`
	Suppressed uint64     `json:"suppressed"`
	HeldBack   uint64     `json:"held_back,omitempty"`
	HeldSince  *time.Time `json:"held_back_since,omitempty"`
}

type breaker struct {
	Backend string    `json:"lock.backend.name"`
	Open    int       `json:"open"` // servers
	Since   time.Time `json:"since"`
	Opened  uint64    `json:"opened"`
}

type contention struct {
	Target  string  `json:"lock.target"`
	Backend string  `json:"lock.backend.name"`
	Waits   uint64  `json:"waits"`
	Total   float64 `json:"total"`
	P50     float64 `json:"p50"`
	P99     float64 `json:"p99"`
	Max     float64 `json:"max"`
}

func look(now time.Time) *view {
	held, waiting := live.Locks()
	numbers := map[identity]int{}
	holders := map[identity]bool{}
	for _, l := range held {
		holders[identityOf(l)] = true
	}
	v := &view{At: now, Failures: []failure{}, Contention: []contention{}, Breakers: []breaker{}}
	v.Held, v.MoreHeld = rows(held, now, numbers)
	v.Waiting, v.MoreWait = rows(waiting, now, numbers)
	for i := range v.Waiting {
		v.Waiting[i].InProcess = waiting[i].Key != 0 && holders[identityOf(waiting[i])]
	}
	for _, f := range live.Failures() {
		row := failure{f.Target.Name, f.Target.Backend, f.Action, f.Count, f.First, f.Last, f.LastType, traceID(f.LastTrace),
			f.Suppressed, f.HeldBack, nil}
		if f.HeldBack > 0 {
			row.HeldSince = &f.HeldSince
		}
		v.Failures = append(v.Failures, row)
	}
	for _, c := range live.Contentions() {
		v.Contention = append(v.Contention, contention{c.Target.Name, c.Target.Backend, c.Waits, c.Total.Seconds(),
			c.P50.Seconds(), c.P99.Seconds(), c.Max.Seconds()})
	}
	for _, b := range live.AllBreakers() {
		v.Breakers = append(v.Breakers, breaker(b))
	}
	return v
}

// An identity tells one lock from another: backends may have the same key.
type identity struct {
	backend string
	key     live.Key
}

func identityOf(l live.Lock) identity { return identity{l.Target.Backend, l.Key} }

// rows numbers the keys in the order in which they are shown, as far as they are
// known.
func rows(locks []live.Lock, now time.Time, numbers map[identity]int) (rows []lock, more int) {
	rows = []lock{}
	for i, l := range locks {
		if i == maxRows {
			return rows, len(locks) - i
		}
		number, known := numbers[identityOf(l)]
		if !known && l.Key != 0 {
			number = len(numbers) + 1
			numbers[identityOf(l)] = number
		}
		row := lock{Target: l.Target.Name, KeyPattern: l.Target.Pattern, Backend: l.Target.Backend, Key: number,
			Since: l.Since, For: now.Sub(l.Since).Seconds(), Extends: l.Extends, Fence: l.Fence,
			TraceID: traceID(l.Trace), Behind: traceID(l.Behind)}
		if !l.Deadline.IsZero() {
			left := l.Deadline.Sub(now).Seconds()
			row.Left = &left
		}
		rows = append(rows, row)
	}
	return rows, 0
}

func traceID(id trace.TraceID) string {
	if !id.IsValid() {
		return ""
	}
	return id.String()
}
