package decisionlog

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
)

// Mode says which decisions are written. The zero Mode is off.
type Mode struct {
	denied bool
	share  float64 // of all decisions
}

// ParseMode reads off, all, denied, or a share of 0.001 to 1.
func ParseMode(s string) (Mode, bool) {
	switch s {
	case "", "off":
		return Mode{}, true
	case "all":
		return Mode{share: 1}, true
	case "denied":
		return Mode{denied: true}, true
	}
	share, err := strconv.ParseFloat(s, 64)
	return Mode{share: share}, err == nil && share >= 0.001 && share <= 1
}

// Off reports whether nothing is written.
func (m Mode) Off() bool { return m == Mode{} }

// wants reports whether a decision is to be written.
func (m Mode) wants(allowed bool) bool {
	return m.denied && !allowed || m.share == 1 || m.share > 0 && rand.Float64() < m.share //nolint:gosec // a sample
}

// Kind is what an entry tells of.
type Kind string

// The kinds.
const (
	Decision    Kind = "decision"    // a verdict; so is the zero Kind
	Explanation Kind = "explanation" // a verdict with all that led to it, for who looks into it
	Nodes       Kind = "nodes"       // where somebody may do something
	People      Kind = "people"      // who may do something
	Permissions Kind = "permissions" // what somebody may do
	Grants      Kind = "grants"      // what somebody was given, for who decides by itself
)

// list reports whether the entry is a page of a list.
func (k Kind) list() bool { return k == Nodes || k == People || k == Permissions || k == Grants }

// Entry is a decision, or a page of a list of what would be decided.
type Entry struct {
	Kind     Kind
	By       principal.Actor
	In       scope.EnvironmentID
	Revision uint64
	At       time.Time       // when it was asked
	AsOf     *time.Time      // of an explanation as of another instant; else nil
	Question decide.Question // an id that is zero, and a permission that is empty, was none
	Decision decide.Decision // of a list the reason alone, where there is one
	Found    int             // of a list: what is on the page
}

// Log takes entries. A nil Log is off. It is safe for concurrent use.
type Log struct {
	mode    Mode
	out     io.Writer
	now     func() time.Time
	queue   chan Entry
	dropped atomic.Uint64
	written atomic.Uint64
	errors  *slog.Logger
	told    time.Time // of a failure, last; of Run alone
}

// queued is how many entries wait at most.
const queued = 8192

// Config is what a Log is made of.
type Config struct {
	Mode   Mode
	To     string    // stdout, or the path of a file, which is appended to and made for its owner alone
	Stdout io.Writer // nil: nothing is written there
	Now    func() time.Time
	Errors *slog.Logger
}

// Open makes the log; nil where the mode is off.
func Open(c Config) (*Log, error) {
	if c.Mode.Off() {
		return nil, nil //nolint:nilnil // a nil Log is one that is off
	}
	l := &Log{mode: c.Mode, out: cmp.Or(c.Stdout, io.Discard), now: c.Now, errors: c.Errors}
	l.queue = make(chan Entry, queued)
	if to := c.To; to != "" && to != "stdout" {
		file, err := os.OpenFile(to, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, fmt.Errorf("CANOPY_DECISION_LOG_TO: %w", err)
		}
		l.out = file
	}
	return l, nil
}

// Wants reports whether a decision is to be noted; a list is as good as allowed where it is not
// empty. It is for who would have to make the entry.
func (l *Log) Wants(allowed bool) bool { return l != nil && l.mode.wants(allowed) }

// Note takes an entry that is wanted, or drops it where too many wait.
func (l *Log) Note(e Entry) {
	select {
	case l.queue <- e:
	default:
		l.dropped.Add(1)
	}
}

// Dropped is how many wanted entries were not written.
func (l *Log) Dropped() uint64 {
	if l == nil {
		return 0
	}
	return l.dropped.Load()
}

// Written is how many were.
func (l *Log) Written() uint64 {
	if l == nil {
		return 0
	}
	return l.written.Load()
}

// Run writes entries until ctx ends, and then those that still wait.
func (l *Log) Run(ctx context.Context) {
	w := bufio.NewWriterSize(l.out, 64<<10)
	var line []byte
	waiting := uint64(0) // in the buffer
	put := func(e Entry) {
		line = e.append(line[:0])
		if _, err := w.Write(line); err == nil {
			waiting++
		} else {
			l.failed(ctx, w, waiting+1, err)
			waiting = 0
		}
	}
	flush := func() {
		err := w.Flush()
		if err == nil {
			l.written.Add(waiting)
		} else {
			l.failed(ctx, w, waiting, err)
		}
		waiting = 0
	}
	for {
		select {
		case e := <-l.queue:
			put(e)
			continue
		default:
		}
		flush()
		select {
		case e := <-l.queue:
			put(e)
		case <-ctx.Done():
			for len(l.queue) > 0 {
				put(<-l.queue)
			}
			flush()
			return
		}
	}
}

// failed counts what could not be written, and goes on with an empty buffer.
func (l *Log) failed(ctx context.Context, w *bufio.Writer, lost uint64, err error) {
	l.dropped.Add(lost)
	w.Reset(l.out)
	if now := l.now(); now.Sub(l.told) > time.Minute {
		l.told = now
		l.errors.ErrorContext(ctx, "the decision log can't be written", "lost", lost, "error", err)
	}
}
