package window

import (
	"sync"
	"sync/atomic"
)

// Totals are a key's occurrences since [New], each in exactly one of the three.
// They never fall, not even when the key is evicted.
type Totals struct {
	// Action and Target are the key. Keys beyond the first MaxKeys that the
	// Window ever saw, and those of the overflow gate, add up under the target
	// Other; actions beyond the first eight of those under the action Other.
	Action, Target string
	Emitted        uint64 // written
	Suppressed     uint64 // held back by the key's own window
	Overflow       uint64 // held back by the overflow gate
}

// Totals calls f for every row. The index of a row never changes; rows are
// added at the end. Rows with the target Other exist, with zeros, from the first
// key of their action on.
func (w *Window) Totals(f func(i int, t Totals)) {
	w.ledger.reading.Lock()
	defer w.ledger.reading.Unlock()
	rows := w.ledger.all()
	// Settled counts first, then those still in the words: a drain in between
	// is missed, and the maximum below keeps the row from falling.
	for _, r := range rows {
		r.sum = r.suppressed.Load()
	}
	w.each(func(e *entry) bool {
		if v := e.word.Load(); v&deadBit == 0 { // what came too late for a dead entry is counted anew
			e.row.sum += uint64(uint32(v))
		}
		return true
	})
	for i, r := range rows {
		r.reported = max(r.reported, r.sum)
		f(i, Totals{
			Action: r.action, Target: r.target,
			Emitted: r.emitted.Load(), Suppressed: r.reported, Overflow: r.overflow.Load(),
		})
	}
}

// row counts one key of the totals.
type row struct {
	action, target                string
	emitted, suppressed, overflow atomic.Uint64
	sum, reported                 uint64 // of Totals, under ledger.reading
}

const maxOtherActions = 8

// ledger holds the rows. Unlike the table it never forgets, so it is bounded on
// its own.
type ledger struct {
	reading sync.Mutex // one reader at a time

	mu     sync.Mutex // the innermost lock
	room   int
	byKey  map[[2]string]*row
	rows   []*row
	others [maxOtherActions]atomic.Pointer[row]
	rest   *row
}

func (l *ledger) init(maxKeys int) {
	l.room = maxKeys
	l.byKey = make(map[[2]string]*row)
	l.rest = &row{action: Other, target: Other}
	l.rows = []*row{l.rest}
}

func (l *ledger) all() []*row {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rows
}

// add returns the row of a key that comes into the table.
func (l *ledger) add(action, target string) *row {
	other := l.other(action)
	l.mu.Lock()
	defer l.mu.Unlock()
	key := [2]string{action, target}
	if r := l.byKey[key]; r != nil {
		return r
	}
	if len(l.byKey) >= l.room {
		return other
	}
	r := &row{action: action, target: target}
	l.byKey[key] = r
	l.rows = append(l.rows, r)
	return r
}

// other returns the row for the action's keys that have none of their own.
func (l *ledger) other(action string) *row {
	for i := range l.others {
		r := l.others[i].Load()
		if r == nil {
			return l.addOther(action)
		}
		if r.action == action {
			return r
		}
	}
	return l.rest
}

func (l *ledger) addOther(action string) *row {
	if len(action) > MaxKeyBytes || action == Other {
		return l.rest
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.others {
		r := l.others[i].Load()
		if r == nil {
			r = &row{action: action, target: Other}
			l.others[i].Store(r)
			l.rows = append(l.rows, r)
			return r
		}
		if r.action == action {
			return r
		}
	}
	return l.rest
}
