package sentryissueexporter

import (
	"errors"
	"time"

	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/pdata/plog"
)

// A remainder is what is left of a batch, to be sent again: all records, in their
// order, of the projects that failed.
type remainder struct {
	logs   plog.Logs
	failed map[*project]bool
	errs   []error
	wait   time.Duration // the shortest that a project asked for

	// The resource and the scope of the record that was added last.
	resource plog.ResourceLogs
	scope    plog.ScopeLogs
}

func newRemainder() *remainder {
	return &remainder{logs: plog.NewLogs(), failed: map[*project]bool{}}
}

// fail says why a project failed.
func (r *remainder) fail(p *project, err error) {
	wait := time.Duration(0)
	if later := (*postponed)(nil); errors.As(err, &later) {
		wait = later.wait
	}
	if len(r.errs) == 0 || wait < r.wait {
		r.wait = wait
	}
	r.failed[p] = true
	r.errs = append(r.errs, err)
}

func (r *remainder) add(rl plog.ResourceLogs, sl plog.ScopeLogs, record plog.LogRecord) {
	to := r.logs.ResourceLogs()
	if to.Len() == 0 || r.resource != rl {
		r.resource = rl
		copied := to.AppendEmpty()
		rl.Resource().CopyTo(copied.Resource())
		copied.SetSchemaUrl(rl.SchemaUrl())
	}
	scopes := to.At(to.Len() - 1).ScopeLogs()
	if scopes.Len() == 0 || r.scope != sl {
		r.scope = sl
		copied := scopes.AppendEmpty()
		sl.Scope().CopyTo(copied.Scope())
		copied.SetSchemaUrl(sl.SchemaUrl())
	}
	record.CopyTo(scopes.At(scopes.Len() - 1).LogRecords().AppendEmpty())
}

// err returns why there is a remainder, nil where there is none.
func (r *remainder) err() error {
	err := errors.Join(r.errs...)
	if err != nil && r.wait > 0 {
		return exporterhelper.NewThrottleRetry(err, r.wait)
	}
	return err
}
