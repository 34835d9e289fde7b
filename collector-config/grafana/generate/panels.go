package main

//lint:file-ignore SA1019 the classic model: every Grafana since 10 provisions it, the second version only the newest do

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/logs"
	"github.com/grafana/grafana-foundation-sdk/go/loki"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/tempo"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// warningsID is fixed, because links lead to it.
const warningsID = 31

// step is the smallest step of a range query. $__rate_interval becomes four of it, so that rates have no holes where
// applications export each minute, whatever the data source is told.
const step = "1m"

func source(kind string) common.DataSourceRef {
	return common.DataSourceRef{Type: new(kind), Uid: new("${" + kind + "}")}
}

// promQL is a line, or several by label, over the time shown.
func promQL(legend, expr string) *prometheus.DataqueryBuilder {
	return prometheus.NewDataqueryBuilder().Datasource(source("prometheus")).Expr(expr).LegendFormat(legend).Range().Interval(step)
}

// exemplified is promQL with the traces that stand for it.
func exemplified(legend, expr string) *prometheus.DataqueryBuilder {
	return promQL(legend, expr).Exemplar(true)
}

// column is one value a row, as of now. The column is called "Value #refID".
func column(refID, expr string) *prometheus.DataqueryBuilder {
	return prometheus.NewDataqueryBuilder().Datasource(source("prometheus")).Expr(expr).RefId(refID).Instant().Format(prometheus.PromQueryFormatTable)
}

func logQL(legend, expr string) *loki.DataqueryBuilder {
	return loki.NewDataqueryBuilder().Datasource(source("loki")).Expr(expr).LegendFormat(legend).QueryType("range")
}

func traceQL(query string) *tempo.DataqueryBuilder {
	return tempo.NewDataqueryBuilder().Datasource(source("tempo")).RefId("A").QueryType("traceql").Query(query).Limit(20).TableType(tempo.SearchTableTypeTraces)
}

// levels are thresholds: the color below all of them, then pairs of value and color.
func levels(base string, steps ...any) *dashboard.ThresholdsConfigBuilder {
	return dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).Steps(thresholds(base, steps...))
}

func thresholds(base string, steps ...any) []dashboard.Threshold {
	all := []dashboard.Threshold{{Color: base}}
	for i := 0; i < len(steps); i += 2 {
		all = append(all, dashboard.Threshold{Value: new(steps[i].(float64)), Color: steps[i+1].(string)})
	}
	return all
}

// between shows a text in place of the values from one to another.
func between(from, to float64, text, color string) dashboard.ValueMapping {
	m := dashboard.NewRangeMap()
	m.Options = dashboard.DashboardRangeMapOptions{From: &from, To: &to, Result: dashboard.ValueMappingResult{Text: &text, Color: &color}}
	return dashboard.ValueMapping{RangeMap: m}
}

// nothing shows a dash, without the color of a good value, where there is none.
func nothing() dashboard.ValueMapping {
	m := dashboard.NewSpecialValueMap()
	m.Options = dashboard.DashboardSpecialValueMapOptions{Match: dashboard.SpecialValueMatchNullAndNan, Result: dashboard.ValueMappingResult{Text: new("–"), Color: new("transparent")}}
	return dashboard.ValueMapping{SpecialValueMap: m}
}

// number is a stat of the top row.
func number(title, description, unit string, decimals float64, thresholds *dashboard.ThresholdsConfigBuilder, target cog.Builder[variants.Dataquery]) *stat.PanelBuilder {
	return stat.NewPanelBuilder().Title(title).Description(description).Datasource(source("prometheus")).Span(6).Height(3).
		Unit(unit).Decimals(decimals).Thresholds(thresholds).
		ColorScheme(dashboard.NewFieldColorBuilder().Mode(dashboard.FieldColorModeIdThresholds)).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"})).
		Orientation(common.VizOrientationAuto).ColorMode(common.BigValueColorModeBackground).GraphMode(common.BigValueGraphModeArea).
		WithTarget(target)
}

// lines is a graph. Its links lead to the warnings of a target.
func lines(title, description, unit string, width uint32, targets ...cog.Builder[variants.Dataquery]) *timeseries.PanelBuilder {
	p := timeseries.NewPanelBuilder().Title(title).Description(description).Datasource(source("prometheus")).Span(width).Height(8).
		Unit(unit).AxisSoftMin(0).LineWidth(1).FillOpacity(8).ShowPoints(common.VisibilityModeNever).
		ColorScheme(dashboard.NewFieldColorBuilder().Mode(dashboard.FieldColorModeIdPaletteClassic)).
		Legend(common.NewVizLegendOptionsBuilder().DisplayMode(common.LegendDisplayModeList).Placement(common.LegendPlacementBottom).ShowLegend(true)).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderDescending))
	for _, t := range targets {
		p.WithTarget(t)
	}
	return p
}

// stacked makes bars of a graph, which stand on each other.
func stacked(p *timeseries.PanelBuilder) *timeseries.PanelBuilder {
	return p.DrawStyle(common.GraphDrawStyleBars).FillOpacity(80).Stacking(common.NewStackingConfigBuilder().Mode(common.StackingModeNormal))
}

func value(id string, v any) dashboard.DynamicConfigValue {
	return dashboard.DynamicConfigValue{Id: id, Value: v}
}

func traces(title, description, query string) *table.PanelBuilder {
	return table.NewPanelBuilder().Title(title).Description(description).Datasource(source("tempo")).Span(12).Height(7).
		CellHeight(common.TableCellHeightSm).WithTarget(traceQL(query))
}

func records(title, description, expr string) *logs.PanelBuilder {
	return logs.NewPanelBuilder().Id(warningsID).Title(title).Description(description).Datasource(source("loki")).Span(24).Height(9).
		ShowTime(true).WrapLogMessage(true).EnableLogDetails(true).SortOrder(common.LogsSortOrderDescending).
		DedupStrategy(common.LogsDedupStrategyNone).WithTarget(logQL("", expr).RefId("A"))
}
