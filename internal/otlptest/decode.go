package otlptest

import (
	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

type batch struct {
	spans   []Span
	logs    []LogRecord
	metrics []Metric
}

func decode(req Request) (b batch, err error) {
	switch req.Signal {
	case Traces:
		var msg coltracepb.ExportTraceServiceRequest
		err = proto.Unmarshal(req.Body, &msg)
		for _, rs := range msg.GetResourceSpans() {
			for _, ss := range rs.GetScopeSpans() {
				for _, s := range ss.GetSpans() {
					b.spans = append(b.spans, Span{Span: s, Resource: rs.GetResource(), Scope: ss.GetScope()})
				}
			}
		}
	case Logs:
		var msg collogspb.ExportLogsServiceRequest
		err = proto.Unmarshal(req.Body, &msg)
		for _, rl := range msg.GetResourceLogs() {
			for _, sl := range rl.GetScopeLogs() {
				for _, l := range sl.GetLogRecords() {
					b.logs = append(b.logs, LogRecord{LogRecord: l, Resource: rl.GetResource(), Scope: sl.GetScope()})
				}
			}
		}
	case Metrics:
		var msg colmetricspb.ExportMetricsServiceRequest
		err = proto.Unmarshal(req.Body, &msg)
		for _, rm := range msg.GetResourceMetrics() {
			for _, sm := range rm.GetScopeMetrics() {
				for _, m := range sm.GetMetrics() {
					b.metrics = append(b.metrics, Metric{Metric: m, Resource: rm.GetResource(), Scope: sm.GetScope()})
				}
			}
		}
	}
	return b, err
}
