// Peers measures this lock beside bare go-redis, redislock, redsync and rueidislock
// on a redis-server that it starts, and prints the tables of BENCHMARKS.md. The locks
// take turns, and the figures are medians over the rounds, so that the ratios hold
// on a noisy machine.
//
//	GOWORK=off go run ./peers -rounds 5
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/redis/go-redis/v9/logging"
)

var (
	rounds = flag.Int("rounds", 3, "rounds; a figure is their median")
	only   = flag.String("only", "handover,outage,memory", "tables to print")
	member = flag.String("member", "", "set by the program itself, for the processes that it starts")
)

func main() {
	log.SetFlags(0)
	flag.Parse()
	logging.Disable() // of failed dials
	if *member != "" {
		if err := runMember(*member); err != nil {
			log.Fatal(err)
		}
		return
	}
	tables := map[string]func(context.Context, *server) error{"handover": handOver, "outage": outage, "memory": memory}
	for _, name := range strings.Split(*only, ",") {
		table, ok := tables[name]
		if !ok {
			log.Fatalf("there is no table %q", name)
		}
		if err := printTable(table); err != nil {
			log.Fatalf("%s: %v", name, err)
		}
	}
}

func printTable(table func(context.Context, *server) error) error {
	s, err := startServer()
	if err != nil {
		return err
	}
	defer s.stop()
	return table(context.Background(), s)
}

// row prints a line of a table in Markdown.
func row(cells ...any) {
	for _, cell := range cells {
		if f, ok := cell.(float64); ok {
			cell = fmt.Sprintf("%.2f", f)
		}
		fmt.Fprint(os.Stdout, "| ", cell, " ")
	}
	fmt.Fprintln(os.Stdout, "|")
}
