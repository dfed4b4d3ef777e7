package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/foundation/fault"
)

// What a body may hold, however large it may be: it is judged before anything is made of
// it, for an empty object of two bytes takes hundreds in memory.
const (
	maxValues = 50_000
	maxDepth  = 64
	maxText   = 64 << 10 // bytes of one text or name, as it was sent
)

// tooMuch says what a body holds too much of, "" for one that may be read. A body that is
// not JSON is not judged here.
func tooMuch(raw []byte) string {
	if len(raw) <= maxValues && bytes.Count(raw, []byte("["))+bytes.Count(raw, []byte("{")) <= maxDepth {
		return "" // it can't hold too much, whatever it holds
	}
	dec := jsontext.NewDecoder(bytes.NewReader(raw), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	for n := 0; ; n++ {
		from := dec.InputOffset()
		token, err := dec.ReadToken()
		switch {
		case err != nil:
			return ""
		case n > maxValues:
			return fmt.Sprintf("body must not hold more than %d values", maxValues)
		case dec.StackDepth() > maxDepth:
			return fmt.Sprintf("body must not be deeper than %d levels", maxDepth)
		case token.Kind() == '"' && dec.InputOffset()-from > maxText:
			return fmt.Sprintf("body must not hold a text of more than %d KiB", maxText>>10)
		}
	}
}

// large is the gate for bodies of more than smallBody: one caller has a few of them at
// once, and few of all are worked on at once. Others wait for a while.
type large struct {
	mu    sync.Mutex
	mine  map[string]*share
	each  int // that one caller may have
	works chan struct{}
	wait  time.Duration
}

// body reads the whole body, through the gate if it may be large. leave is called once
// the work on it is done.
func (c *Call) body(ctx context.Context) (raw []byte, leave func(), err error) {
	if c.op.rawOf != nil {
		return c.rawBody(ctx)
	}
	limit, length := int64(c.op.Body), c.r.ContentLength
	if limit <= smallBody || length >= 0 && length <= smallBody {
		raw, err = read(c.w, c.r, limit)
		return raw, func() {}, err
	}
	received, err := c.rt.large.receive(ctx, c.Actor.ID.String())
	if err != nil {
		return nil, nil, err
	}
	raw, err = read(c.w, c.r, limit)
	if err != nil {
		received()
		return nil, nil, err
	}
	worked, err := c.rt.large.work(ctx)
	if err != nil {
		received()
		return nil, nil, err
	}
	return raw, func() { worked(); received() }, nil
}

// share is what one caller has.
type share struct {
	slots chan struct{}
	users int // calls that have or want one
}

const (
	smallBody    = 64 << 10
	largePerUser = 4
	largeAtWork  = 8
	largeWait    = 10 * time.Second
	// hurriedPerUser is the same on the short way, where nothing is made of a body.
	hurriedPerUser = 32
)

func newLarge() *large {
	return &large{
		mine: map[string]*share{}, each: largePerUser, works: make(chan struct{}, largeAtWork), wait: largeWait,
	}
}

// newRaw is the gate for those of a Raw, which wait for longer.
func newRaw() *large {
	return &large{mine: map[string]*share{}, each: mineRaw, works: make(chan struct{}, rawAtOnce), wait: patience}
}

// share is what a caller has; out gives it back.
func (l *large) share(caller string) (s *share, out func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s = l.mine[caller]; s == nil {
		s = &share{slots: make(chan struct{}, l.each)}
		l.mine[caller] = s
	}
	s.users++
	return s, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if s.users--; s.users == 0 {
			delete(l.mine, caller)
		}
	}
}

// newHurried is the gate of the short way, where nobody waits.
func newHurried() *large { return &large{mine: map[string]*share{}, each: hurriedPerUser} }

// receive waits until the caller may send a large body; leave gives the place back.
func (l *large) receive(ctx context.Context, caller string) (leave func(), err error) {
	s, out := l.share(caller)
	free, err := l.enter(ctx, s.slots)
	if err != nil {
		out()
		return nil, err
	}
	return func() { free(); out() }, nil
}

// tryReceive is receive for who does not wait.
func (l *large) tryReceive(caller string) (leave func(), is bool) {
	s, out := l.share(caller)
	select {
	case s.slots <- struct{}{}:
		return func() { <-s.slots; out() }, true
	default:
		out()
		return nil, false
	}
}

// work waits until a large body may be worked on; leave gives the place back.
func (l *large) work(ctx context.Context) (leave func(), err error) { return l.enter(ctx, l.works) }

func (l *large) enter(ctx context.Context, slots chan struct{}) (leave func(), err error) {
	impatient := time.NewTimer(l.wait)
	defer impatient.Stop()
	select {
	case slots <- struct{}{}:
		return func() { <-slots }, nil
	case <-impatient.C:
		return nil, fault.Busy.WithCause(errors.New("wire: too many large bodies at once"))
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
