package redisbackend

import (
	"errors"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

func TestWhateverAServerSaysItsClassIsOfTheList(t *testing.T) {
	server := miniredis.RunT(t)
	b := newBackend(t, client(t, server.Addr()))
	if _, err := b.Acquire(t.Context(), claim); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ text, class string }{
		{"LOADING Redis is loading the dataset in memory", "LOADING"},
		{"CLUSTERDOWN The cluster is down", "CLUSTERDOWN"},
		{"MISCONF Redis is configured to save RDB snapshots", "MISCONF"},
		{"TRYAGAIN Multiple keys request during rehashing of slot", "TRYAGAIN"},
		{"DENIED Redis is running in protected mode", "DENIED"},
		{"ERR max number of clients reached", "ERR"},
		{"ERR key-marker token-marker", "ERR"},
		{"-READONLY You can't write against a read only replica.", "READONLY"}, // Redis 6, from a script
		{"READONLY", "READONLY"},
		{"key-marker token-marker", "_OTHER"},
		{"KEYMARKER token-marker", "_OTHER"},
		{"timeout token-marker", "_OTHER"},
		{"stolen token-marker", "_OTHER"},
		{"_OTHER", "_OTHER"},
		{"READONLYkey-marker", "_OTHER"},
		{" ", "_OTHER"},
		{strings.Repeat("A", 100), "_OTHER"},
	} {
		t.Run(test.text, func(t *testing.T) {
			server.SetError(test.text)
			defer server.SetError("")
			for operation, err := range operations(b) {
				checkClass(t, operation, err, test.class)
				var answer redis.Error
				if !errors.As(err, &answer) || !strings.HasPrefix(answer.Error(), test.text) {
					t.Errorf("%s: the server's answer is not reachable from %v", operation, err)
				}
			}
		})
	}
}
