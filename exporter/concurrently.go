package exporter

import (
	"context"
	"errors"
	"fmt"
)

// task is one part of a flush or a shutdown. Its name begins its error.
type task struct {
	name string
	run  func(context.Context) error
}

// concurrently runs all tasks at once and joins their errors. It returns when
// the last one does or when ctx ends, whichever is first: a task that does not
// heed ctx is left behind, with ctx's error in its place. A task that panics
// or calls runtime.Goexit has failed, nothing more.
func concurrently(ctx context.Context, tasks ...task) error {
	type result struct {
		index int
		err   error
	}
	results := make(chan result, len(tasks))
	for i, t := range tasks {
		go func() {
			r := result{i, errExited} // unless run returns
			defer func() { results <- r }()
			r.err = guard(func() error { return t.run(ctx) })
		}()
	}

	errs := make([]error, len(tasks))
	for i := range errs {
		errs[i] = errUnfinished
	}
	collect := func(r result) { errs[r.index] = r.err }
	for range tasks {
		// What has finished counts, also when ctx ends at the same moment.
		select {
		case r := <-results:
			collect(r)
			continue
		default:
		}
		select {
		case r := <-results:
			collect(r)
		case <-ctx.Done():
		}
	}

	for i, err := range errs {
		switch {
		case err == errUnfinished:
			errs[i] = named(tasks[i].name, ctx.Err())
		case err != nil:
			errs[i] = named(tasks[i].name, err)
		}
	}
	return errors.Join(errs...)
}

var (
	errUnfinished = errors.New("unfinished")
	errExited     = errors.New("ended its goroutine")
)

func named(name string, err error) error {
	if name == "" {
		return err
	}
	return fmt.Errorf("%s: %w", name, err)
}

// guard turns a panic into an error. The error does not contain the panic's
// value, which may be anything.
func guard(run func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panicked with a value of type %T", v)
		}
	}()
	return run()
}
