// Loki is as much of Grafana Loki as the tests need, in one process and without a
// store: Loki's own OTLP parser decides what becomes a label and what structured
// metadata, Loki's own engine parses and runs the queries. Records are kept in
// memory. It is not a Loki for anything else.
//
//	POST /otlp/v1/logs
//	GET  /loki/api/v1/query?query=&time=                    Unix seconds, may be broken
//	GET  /loki/api/v1/query_range?query=&start=&end=&step=
//
// It listens on the address that is its only argument.
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/go-kit/log"
	"github.com/grafana/dskit/user"
	"github.com/grafana/loki/v3/pkg/loghttp/push"
	"github.com/grafana/loki/v3/pkg/logproto"
	"github.com/grafana/loki/v3/pkg/logql"
	"github.com/grafana/loki/v3/pkg/logqlmodel"
	"github.com/prometheus/prometheus/promql"
)

const tenant = "anonymous"

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: loki host:port")
		os.Exit(2)
	}
	s := &store{}
	engine := logql.NewEngine(logql.EngineOpts{}, s, logql.NoLimits, log.NewNopLogger())
	http.HandleFunc("POST /otlp/v1/logs", s.push)
	http.HandleFunc("GET /loki/api/v1/query", func(w http.ResponseWriter, r *http.Request) {
		at, err := unix(r, "time")
		answer(w, r, engine, at, at, 0, err)
	})
	http.HandleFunc("GET /loki/api/v1/query_range", func(w http.ResponseWriter, r *http.Request) {
		start, err := unix(r, "start")
		end, err2 := unix(r, "end")
		step, err3 := time.ParseDuration(r.FormValue("step"))
		for _, e := range []error{err2, err3} {
			if err == nil {
				err = e
			}
		}
		answer(w, r, engine, start, end, step, err)
	})
	http.HandleFunc("GET /ready", func(http.ResponseWriter, *http.Request) {})
	fmt.Fprintln(os.Stderr, "loki:", http.ListenAndServe(os.Args[1], nil))
	os.Exit(1)
}

func unix(r *http.Request, name string) (time.Time, error) {
	seconds, err := strconv.ParseFloat(r.FormValue(name), 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s: %w", name, err)
	}
	return time.UnixMicro(int64(seconds * 1e6)), nil
}

// push takes what a Collector sends, as Loki's distributor would.
func (s *store) push(w http.ResponseWriter, r *http.Request) {
	req, _, err := push.ParseOTLPRequest(tenant, r, limits{}, nil, 0, 0, nil, resolver{}, log.NewNopLogger())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := s.add(req.Streams); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// A series is one element of an answer: a sample, points, or lines.
type series struct {
	Labels map[string]string `json:"labels"`
	Value  float64           `json:"value,omitempty"`
	Points []float64         `json:"points,omitempty"`
	Lines  []string          `json:"lines,omitempty"`
}

func answer(w http.ResponseWriter, r *http.Request, engine *logql.QueryEngine, start, end time.Time, step time.Duration, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	params, err := logql.NewLiteralParams(r.FormValue("query"), start, end, step, 0, logproto.FORWARD, 1000, nil, nil)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	result, err := engine.Query(params).Exec(user.InjectOrgID(r.Context(), tenant))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	out := []series{}
	switch data := result.Data.(type) {
	case promql.Vector:
		for _, sample := range data {
			out = append(out, series{Labels: sample.Metric.Map(), Value: sample.F})
		}
	case promql.Matrix:
		for _, line := range data {
			one := series{Labels: line.Metric.Map()}
			for _, p := range line.Floats {
				one.Points = append(one.Points, p.F)
			}
			out = append(out, one)
		}
	case logqlmodel.Streams:
		for _, stream := range data {
			one := series{Labels: map[string]string{"": stream.Labels}}
			for _, e := range stream.Entries {
				one.Lines = append(one.Lines, e.Line)
			}
			out = append(out, one)
		}
	default:
		http.Error(w, fmt.Sprintf("an answer of type %T", data), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out)
}
