package wire

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/secret"
)

// Idempotency keeps the answers of creating calls, so that a repeat finds the
// first answer and does nothing.
type Idempotency interface {
	// Begin claims a call. It gives the claim of one that is now to be done, or the
	// kept answer of an equal one. Faults: ErrKeyReused, ErrInProgress, ErrAnswerLost.
	Begin(ctx context.Context, r Repeat) (Claim, *Kept, error)
}

// Repeat is what tells a repeated call from another.
type Repeat struct {
	Call string // hash of who calls what, with the key
	Body string // hash of the body, with the key
	Key  string // Idempotency-Key as it was sent: what is kept opens with it
}

// Claim is the right of one call to act. It is settled once, by Keep or Free.
type Claim interface {
	// Within gives the context of the call's work. What is written with it commits
	// only while the claim is this call's, else it fails with ErrInProgress; that it
	// was written is noted in the same transaction. The claim lasts until done is
	// called, or ctx ends.
	Within(ctx context.Context) (work context.Context, done func())
	// Acted reports whether a transaction of the work may have committed.
	Acted() bool
	// Keep keeps the answer for repeats; of one that is too large they learn that it is
	// lost. ErrInProgress says that the claim has passed on, so this call did nothing.
	Keep(ctx context.Context, k Kept) error
	// Free lets a repeat act, unless this call did: then it learns that the answer is
	// lost.
	Free(ctx context.Context) error
}

// Kept is an answer that was given.
type Kept struct {
	Status int    `json:"status"`
	ETag   string `json:"etag"`
	// Revision is the Canopy-Revision of the answer, "" for none.
	Revision string     `json:"revision,omitempty"`
	Body     []byte     `json:"body"`
	Fault    *KeptFault `json:"fault"` // nil: the call succeeded
}

// KeptFault is a fault that was answered.
type KeptFault struct {
	Kind    fault.Kind `json:"kind"`
	Code    string     `json:"code"`
	Message string     `json:"message"`
	Details []string   `json:"details"`
	// Data is kept as it was answered, so that numbers keep their digits.
	Data jsontext.Value `json:"data"`
}

// Size is the length of the body in bytes; of a fault's, that of its details and data.
func (k Kept) Size() int {
	n := len(k.Body)
	if k.Fault != nil {
		n += len(k.Fault.Data)
		for _, d := range k.Fault.Details {
			n += len(d)
		}
	}
	return n
}

// The faults of repeated calls.
var (
	ErrKeyReused = fault.New(fault.Unprocessable, "idempotency.key_reused",
		"This Idempotency-Key was used with another body")
	ErrInProgress = fault.New(fault.Conflict, "idempotency.in_progress",
		"The first call with this Idempotency-Key is still running").WithRetryAfter(time.Second)
	ErrAnswerLost = fault.New(fault.Conflict, "idempotency.answer_lost",
		"The first call with this Idempotency-Key took effect, but its answer is lost; read what it made")
)

// passing are the kinds of faults that a repeat may not meet again.
var passing = []fault.Kind{fault.Invalid, fault.Unauthenticated, fault.TooMany, fault.Internal, fault.Unavailable}

// once runs the call unless an equal one has been answered. Answers 400, 401, 429 and
// 5xx are not kept, and the call may be repeated, unless it had changed something by
// then; nor is a success that changed nothing, such as that of a bulk call of bad rows.
func (rt *Router) once(
	ctx context.Context, c *Call, raw []byte, run func(context.Context) (answer, error),
) (answer, error) {
	given := c.r.Header.Values("Idempotency-Key")
	if len(given) != 1 || !visible(given[0]) {
		return answer{}, fault.Validation.WithDetails("Idempotency-Key must be one of 1 to 255 visible ASCII characters")
	}
	key := given[0]
	claim, kept, err := rt.Idempotency.Begin(ctx, c.repeat(key, raw))
	switch {
	case err != nil:
		return answer{}, err
	case kept != nil:
		return c.replay(*kept)
	}
	// Whatever becomes of the caller, the claim is settled.
	settle := context.WithoutCancel(ctx)
	settled := false
	defer func() {
		if settled {
			return
		}
		if err := claim.Free(settle); err != nil {
			rt.Log.ErrorContext(ctx, "an Idempotency-Key can't be freed", "error", err, "request_id", c.Actor.Request.ID)
		}
	}()
	a, err := claimed(ctx, claim, run)
	k, keep, failed := c.kept(a, err)
	switch {
	case failed != nil:
		return answer{}, failed
	case !keep, err == nil && !claim.Acted():
		return a, err // what changed nothing may be repeated, and fills no store
	}
	settled = true
	switch lost := claim.Keep(settle, k); {
	case errors.Is(lost, ErrInProgress):
		return answer{}, lost
	case lost != nil:
		// The call is done, and its answer is good; a repeat learns that it acted.
		rt.Log.ErrorContext(ctx, "an answer can't be kept", "error", lost, "request_id", c.Actor.Request.ID)
	}
	return a, err
}

// repeat tells the call from others: by its caller, what it calls, the Environment that
// it chooses and its key. A hash of a body can't be guessed at without the key.
func (c *Call) repeat(key string, raw []byte) Repeat {
	call := []string{
		string(c.Actor.Kind), c.Actor.ID.String(), c.r.Method, c.r.URL.RequestURI(),
		c.r.Header.Get("X-Canopy-Environment"), key,
	}
	return Repeat{Call: secret.Hash(strings.Join(call, "\n")), Body: secret.HashOf([]byte(key+"\n"), raw), Key: key}
}

// claimed runs the work of a call under its claim.
func claimed(ctx context.Context, claim Claim, run func(context.Context) (answer, error)) (answer, error) {
	work, done := claim.Within(ctx)
	defer done()
	return run(work)
}

// kept is an answer as it is kept, and whether it is.
func (c *Call) kept(a answer, err error) (k Kept, keep bool, failed error) {
	if err == nil {
		h := c.w.Header()
		return Kept{Status: a.status, ETag: h.Get("ETag"), Revision: h.Get("Canopy-Revision"), Body: a.body}, true, nil
	}
	f := fault.As(err)
	if f == nil || slices.Contains(passing, f.Kind) {
		return k, false, nil
	}
	k.Fault = &KeptFault{f.Kind, f.Code, f.Message, f.Details, nil}
	if f.Data != nil {
		k.Fault.Data, failed = Encode(f.Data)
	}
	return k, true, failed
}

func (c *Call) replay(k Kept) (answer, error) {
	c.w.Header().Set("Idempotency-Replayed", "true")
	if f := k.Fault; f != nil {
		again := &fault.Error{Kind: f.Kind, Code: f.Code, Message: f.Message, Details: f.Details}
		if f.Data != nil {
			again.Data = f.Data
		}
		return answer{}, again
	}
	for name, value := range map[string]string{"ETag": k.ETag, "Canopy-Revision": k.Revision} {
		if value != "" {
			c.w.Header().Set(name, value)
		}
	}
	return answer{status: k.Status, body: k.Body}, nil
}

func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return len(s) >= 1 && len(s) <= 255
}
