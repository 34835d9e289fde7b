package main

import (
	"context"
	"sync"
	"time"

	"github.com/grafana/dskit/flagext"
	"github.com/grafana/loki/v3/pkg/iter"
	"github.com/grafana/loki/v3/pkg/loghttp/push"
	"github.com/grafana/loki/v3/pkg/logproto"
	"github.com/grafana/loki/v3/pkg/logql"
	"github.com/grafana/loki/v3/pkg/logql/syntax"
	"github.com/prometheus/prometheus/model/labels"
)

// A store keeps every entry beside the labels of its stream, in the order of
// arrival, and answers the engine from that.
type store struct {
	mu      sync.Mutex
	entries []entry
}

type entry struct {
	stream   labels.Labels
	at       time.Time
	line     string
	metadata labels.Labels
}

func (s *store) add(streams []logproto.Stream) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, stream := range streams {
		lbls, err := syntax.ParseLabels(stream.Labels)
		if err != nil {
			return err
		}
		for _, e := range stream.Entries {
			s.entries = append(s.entries, entry{lbls, e.Timestamp, e.Line, logproto.FromLabelAdaptersToLabels(e.StructuredMetadata)})
		}
	}
	return nil
}

// selected are the entries of the streams that match.
func (s *store) selected(matchers []*labels.Matcher) []entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []entry
next:
	for _, e := range s.entries {
		for _, m := range matchers {
			if !m.Matches(e.stream.Get(m.Name)) {
				continue next
			}
		}
		found = append(found, e)
	}
	return found
}

// SelectLogs implements logql.Querier.
func (s *store) SelectLogs(_ context.Context, req logql.SelectLogParams) (iter.EntryIterator, error) {
	selector, err := req.LogSelector()
	if err != nil {
		return nil, err
	}
	pipeline, err := selector.Pipeline()
	if err != nil {
		return nil, err
	}
	var found []iter.EntryIterator
	for _, e := range s.selected(selector.Matchers()) {
		line, out, ok := pipeline.ForStream(e.stream).Process(e.at.UnixNano(), []byte(e.line), e.metadata)
		if !ok {
			continue
		}
		found = append(found, iter.NewTimeRangedIterator(iter.NewStreamIterator(logproto.Stream{
			Labels:  out.String(),
			Entries: []logproto.Entry{{Timestamp: e.at, Line: string(line)}},
		}), req.Start, req.End))
	}
	return iter.NewSortEntryIterator(found, req.Direction), nil
}

// SelectSamples implements logql.Querier.
func (s *store) SelectSamples(_ context.Context, req logql.SelectSampleParams) (iter.SampleIterator, error) {
	selector, err := req.LogSelector()
	if err != nil {
		return nil, err
	}
	expr, err := req.Expr()
	if err != nil {
		return nil, err
	}
	extractors, err := expr.Extractors()
	if err != nil {
		return nil, err
	}
	var found []logproto.Series
	for i, e := range s.selected(selector.Matchers()) {
		for _, x := range extractors {
			samples, ok := x.ForStream(e.stream).Process(e.at.UnixNano(), []byte(e.line), e.metadata)
			if !ok {
				continue
			}
			for _, sample := range samples {
				found = append(found, logproto.Series{
					Labels:     sample.Labels.String(),
					StreamHash: uint64(i), // each entry by itself, or equal ones would count once
					Samples:    []logproto.Sample{{Timestamp: e.at.UnixNano(), Value: sample.Value, Hash: uint64(i)}},
				})
			}
		}
	}
	iterators := make([]iter.SampleIterator, len(found))
	for i, one := range found {
		iterators[i] = iter.NewSeriesIterator(one)
	}
	return iter.NewTimeRangedSampleIterator(iter.NewSortSampleIterator(iterators), req.Start.UnixNano(), req.End.UnixNano()+1), nil
}

// limits are Loki's defaults for OTLP: which resource attributes become labels.
type limits struct{}

func (limits) OTLPConfig(string) push.OTLPConfig {
	var global push.GlobalOTLPConfig
	flagext.DefaultValues(&global)
	return push.DefaultOTLPConfig(global)
}

func (limits) DiscoverServiceName(string) []string { return nil }

type resolver struct{}

func (resolver) RetentionPeriodFor(labels.Labels) time.Duration  { return 0 }
func (resolver) RetentionHoursFor(labels.Labels) string          { return "" }
func (resolver) PolicyFor(context.Context, labels.Labels) string { return "" }
