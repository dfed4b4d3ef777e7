package scope

import (
	"context"
	"sync/atomic"
	"time"
)

// MostLeeway is the most that a call may ask for.
const MostLeeway = 300 * time.Second

// Lenient is how old the proofs may be that a call stands on, and how old the oldest was
// that it was given in place of a new one. It is safe for concurrent use.
type Lenient struct {
	most time.Duration
	age  atomic.Int64 // in nanoseconds and 1 more; 0: all proofs were new
}

// Age is how old the oldest proof was; false where all of them were new.
func (l *Lenient) Age() (time.Duration, bool) {
	age := l.age.Load()
	return time.Duration(age - 1), age > 0
}

type lenientKey struct{}

// Leeway gives a context whose calls may stand on proofs of that age where none can be had
// now, and tells how old they were.
func Leeway(ctx context.Context, most time.Duration) (context.Context, *Lenient) {
	l := &Lenient{most: most}
	return context.WithValue(ctx, lenientKey{}, l), l
}

// LeewayOf is how old a proof may be that a call stands on; 0 where it must be new.
func LeewayOf(ctx context.Context) time.Duration {
	if l, is := ctx.Value(lenientKey{}).(*Lenient); is {
		return l.most
	}
	return 0
}

// NoteAge keeps that a call stands on a proof of some age.
func NoteAge(ctx context.Context, age time.Duration) {
	l, is := ctx.Value(lenientKey{}).(*Lenient)
	for is {
		known := l.age.Load()
		if known > int64(age) || l.age.CompareAndSwap(known, int64(age)+1) {
			return
		}
	}
}

// AgeOf is how old the oldest proof is that a call stands on; false where all of them are new.
func AgeOf(ctx context.Context) (time.Duration, bool) {
	if l, is := ctx.Value(lenientKey{}).(*Lenient); is {
		return l.Age()
	}
	return 0, false
}
