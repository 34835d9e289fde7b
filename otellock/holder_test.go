package otellock_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/otellock/otellock-go/otellock"
)

// holders are the spans that the span links to as holders.
func holders(t *testing.T, s sdktrace.ReadOnlySpan) (spans []string) {
	t.Helper()
	for _, link := range s.Links() {
		if len(link.Attributes) != 1 || link.Attributes[0].Key != "lock.link.type" || link.Attributes[0].Value.AsString() != "holder" {
			t.Errorf("a link has the attributes %v", link.Attributes)
		}
		spans = append(spans, link.SpanContext.SpanID().String())
	}
	return spans
}

func TestAWaiterLinksItsSpanToEachHolderOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, b *lab) {
		var want []string
		for range 2 {
			err := b.target.Mutex("7").Do(b.ctx, nothing)
			if err != nil {
				t.Fatal(err)
			}
		}
		lease := b.lock(t, "7")
		done := make(chan error)
		go func() { done <- b.target.Mutex("7").With(otellock.WithWait(5*time.Second)).Do(b.ctx, nothing) }()
		time.Sleep(700 * time.Millisecond) // not when the waiter polls
		b.backend.Clear()
		second, ok, err := b.target.Mutex("7").TryLock(b.ctx) // before the waiter asks again
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		if err := lease.Release(b.ctx); !errors.Is(err, otellock.ErrStolen) {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if err := second.Release(b.ctx); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		acquires := b.tel.Ended("acquire projects")
		waiter := acquires[len(acquires)-1]
		for _, s := range acquires[2:4] { // those of lease and second
			want = append(want, s.SpanContext().SpanID().String())
			if n := len(s.Links()); n != 0 {
				t.Errorf("an acquire that found the lock free has %d links", n)
			}
		}
		if got := holders(t, waiter); !slices.Equal(got, want) {
			t.Errorf("the waiter links to %v, the holders were %v", got, want)
		}
	})
}

func TestWhoeverSkipsLinksToTheHolderToo(t *testing.T) {
	inBubble(t, func(t *testing.T, b *lab) {
		b.lock(t, "7")
		if _, ok, err := b.target.Mutex("7").TryLock(b.ctx); ok || err != nil {
			t.Fatal(ok, err)
		}
		spans := b.tel.Ended("acquire projects")
		if got := holders(t, spans[1]); len(got) != 1 || got[0] != spans[0].SpanContext().SpanID().String() {
			t.Errorf("links to %v", got)
		}
	})
}

func TestTheErrorOfContentionKnowsTheHolder(t *testing.T) {
	inBubble(t, func(t *testing.T, b *lab) {
		since := time.Now()
		b.lock(t, "7")
		time.Sleep(4 * time.Second)
		err := b.target.Mutex("7").With(otellock.WithWait(time.Second)).Do(b.ctx, nothing)
		var contended *otellock.Error
		if !errors.Is(err, otellock.ErrContended) || !errors.As(err, &contended) {
			t.Fatal(err)
		}
		span := b.tel.Ended("acquire projects")[0].SpanContext()
		holder, ok := contended.Holder()
		host, _ := os.Hostname()
		if !ok || holder.TraceID != span.TraceID().String() || holder.SpanID != span.SpanID().String() ||
			!strings.HasPrefix(holder.Instance, fmt.Sprintf("%d@", os.Getpid())) || len(host) == 0 || !holder.Since.Equal(since) {
			t.Errorf("the holder is %+v, %t; want %v since %v", holder, ok, span, since)
		}
		for _, secret := range []string{holder.TraceID, holder.SpanID, holder.Instance} {
			if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, secret) {
				t.Errorf("the text %q tells the holder", text)
			}
		}
	})
}

// The value is public text: whoever can write to the backend chooses it.
func TestAValueOfAnybodyElseIsJustBusy(t *testing.T) {
	for name, text := range map[string]string{
		"of an older version": "ZK5XQ7R2PUCJLWM3NDVTY4HAEB", "empty": "", "garbage": "\x00\xff\n- - - - -",
		"huge": strings.Repeat("otellock/1 ", 1<<17), "of a newer version": "otellock/2 ZK5XQ7R2PUCJLWM3NDVTY4HAEB - 10000ms 1@a",
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *lab) {
				c := otellock.Claim{Key: "lock:projects:7", Token: text, TTL: time.Minute}
				if _, err := b.backend.Backend.Acquire(b.ctx, c); err != nil {
					t.Fatal(err)
				}
				err := b.target.Mutex("7").Do(b.ctx, nothing)
				var contended *otellock.Error
				if !errors.Is(err, otellock.ErrContended) || !errors.As(err, &contended) {
					t.Fatal(err)
				}
				if holder, ok := contended.Holder(); ok {
					t.Errorf("the holder is %+v", holder)
				}
				if links := b.tel.Ended("acquire projects")[0].Links(); len(links) != 0 {
					t.Errorf("links: %v", links)
				}
			})
		})
	}
}

func TestWithHolderInfoFalseStoresATokenOnly(t *testing.T) {
	inBubble(t, func(t *testing.T, b *lab) {
		var stored string
		b.backend.Watch = func(c otellock.Claim) { stored = c.Token }
		if err := b.target.Mutex("7").With(otellock.WithHolderInfo(false)).Do(b.ctx, nothing); err != nil {
			t.Fatal(err)
		}
		if len(stored) != 26 || strings.Contains(stored, " ") {
			t.Errorf("stored %q", stored)
		}
	})
}

// A release whose answer was lost is sent again, and finds another's value: that
// of a waiter who came after it, or that of a thief who was there before.
func TestARepeatedReleaseTellsAThiefFromAWaiterByAge(t *testing.T) {
	for _, c := range []struct {
		name  string
		thief bool
	}{{"a waiter who took the key after the first release", false}, {"a thief who had it before", true}} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *lab) {
				lease := b.lock(t, "7")
				time.Sleep(time.Second)
				if c.thief {
					b.backend.Clear()
					b.lock(t, "7")
					time.Sleep(time.Second)
				}
				b.backend.Script(func() {
					b.backend.OnRelease = []fault{func(ctx context.Context, call func() error) error {
						_ = call()
						if !c.thief {
							b.lock(t, "7")
						}
						<-ctx.Done()
						return ctx.Err()
					}}
				})
				err := lease.Release(b.ctx)
				if !c.thief {
					if err != nil {
						t.Errorf("Release: %v", err)
					}
					return
				}
				var stolen *otellock.Error
				if !errors.Is(err, otellock.ErrStolen) || !errors.As(err, &stolen) {
					t.Fatalf("Release: %v", err)
				}
				if holder, ok := stolen.Holder(); !ok || holder.SpanID != b.tel.Ended("acquire projects")[1].SpanContext().SpanID().String() {
					t.Errorf("the thief is %+v, %t", holder, ok)
				}
			})
		})
	}
}
