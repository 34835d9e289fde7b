// Peers measures this lock beside bare go-redis, redislock, redsync and rueidislock
// on a redis-server that it starts, and prints the tables of BENCHMARKS.md and the
// machine that they come from. The locks take turns, and the figures are medians
// over the rounds, so that the ratios hold on a noisy machine.
//
//	GOWORK=off go run ./peers -rounds 5
//	GOWORK=off go run ./peers -only handover -waiters 'one client'
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9/logging"
)

var (
	rounds  = flag.Int("rounds", 3, "rounds; a figure is their median")
	only    = flag.String("only", "uncontended,handover,outage,memory", "tables to print")
	waiters = flag.String("waiters", "", "of the hand-over, the rows whose waiters contain this, as '16' or 'a client each'")
	member  = flag.String("member", "", "set by the program itself, for the processes that it starts")
)

func main() {
	log.SetFlags(0)
	flag.Parse()
	logging.Disable() // of failed dials
	if *member != "" {
		if err := runMember(context.Background(), *member); err != nil {
			log.Fatal(err)
		}
		return
	}
	fmt.Println(machine())
	fmt.Println()
	tables := map[string]func(context.Context, *server) error{"uncontended": uncontended, "handover": handOver, "outage": outage, "memory": memory}
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

// title prints the head of a table.
func title(text string, columns ...any) {
	fmt.Printf("## %s\n\n", text)
	row(columns...)
	row(slices.Repeat([]any{"---"}, len(columns))...)
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
