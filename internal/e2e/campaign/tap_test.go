package campaign

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/otellock/otellock-go/otellock"
	"github.com/otellock/otellock-go/otellock/redisbackend"
)

// A tap is a backend that notes every command and its answer, so that the story
// of a key that is left can be read.
type tap struct {
	*redisbackend.Backend
	process *process
}

func (b tap) Acquire(ctx context.Context, c otellock.Claim) (otellock.Grant, error) {
	sent := time.Now()
	grant, err := b.Backend.Acquire(ctx, c)
	b.note("acquire", c, sent, map[bool]string{true: "granted", false: "busy"}[grant.Acquired], err)
	return grant, err
}

func (b tap) Extend(ctx context.Context, c otellock.Claim) error {
	sent := time.Now()
	err := b.Backend.Extend(ctx, c)
	b.note("extend", c, sent, "done", err)
	return err
}

func (b tap) Release(ctx context.Context, c otellock.Claim) error {
	sent := time.Now()
	err := b.Backend.Release(ctx, c)
	b.note("release", c, sent, "done", err)
	return err
}

func (b tap) note(command string, c otellock.Claim, sent time.Time, answer string, err error) {
	if err != nil {
		answer = err.Error()
	}
	b.process.r.note("    %s %s %s #%s, sent %v before: %s", b.process.name, command, strings.TrimPrefix(c.Key, key("")),
		short(c.Token), time.Since(sent).Round(100*time.Microsecond), answer)
}

// short is enough of a token to find it in the notes.
func short(token string) string {
	token = strings.TrimPrefix(strings.TrimPrefix(token, "kept "), "otellock/1 ")
	return token[:min(8, len(token))]
}

// story is what the notes say of the token that holds the key.
func (r *run) story(id string) string {
	token, err := r.side.Get(context.Background(), key(id)).Result()
	if err != nil {
		return fmt.Sprintf("of an unknown token: %v", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := []string{"of #" + short(token)}
	for _, line := range r.notes {
		if strings.Contains(line, "#"+short(token)) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}
