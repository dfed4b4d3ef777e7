package wire

import (
	"context"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/secret"
)

// Idempotency keeps the answers of creating calls, so that a repeat finds the
// first answer and does nothing.
type Idempotency interface {
	// Begin claims a scope for a body. It gives the kept answer of a finished
	// call with the same body, false for a call that is now to be done, or
	// ErrKeyReused or ErrInProgress.
	Begin(ctx context.Context, scope, bodyHash, key string) (Kept, bool, error)
	// Finish keeps the answer; Forget frees the scope for a repeat.
	Finish(ctx context.Context, scope, key string, k Kept) error
	Forget(ctx context.Context, scope string) error
}

// Kept is an answer that was given.
type Kept struct {
	Status int        `json:"status"`
	Body   []byte     `json:"body"`
	Fault  *KeptFault `json:"fault"` // nil: the call succeeded
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

// The faults of repeated calls.
var (
	ErrKeyReused = fault.New(fault.Unprocessable, "idempotency.key_reused",
		"This Idempotency-Key was used with another body")
	ErrInProgress = fault.New(fault.Conflict, "idempotency.in_progress",
		"The first call with this Idempotency-Key is still running").WithRetryAfter(time.Second)
)

// once runs the call unless an equal one has been answered. Answers 401, 429 and
// 5xx are not kept; the call may be repeated. An answer that can't be kept fails
// the call, since a repeat would act twice.
func (rt *Router) once(
	ctx context.Context, c *Call, raw []byte, run func() (answer, error),
) (answer, error) {
	key := c.r.Header.Get("Idempotency-Key")
	if !visible(key) {
		return answer{}, fault.Validation.WithDetails("Idempotency-Key must be 1 to 255 visible ASCII characters")
	}
	scope := secret.Hash(c.Actor.ID.String() + " " + c.r.Method + " " + c.r.URL.Path + " " + key)
	kept, found, err := rt.Idempotency.Begin(ctx, scope, secret.Hash(string(raw)), key)
	if err != nil {
		return answer{}, err
	}
	if found {
		return c.replay(kept)
	}
	// Whatever becomes of the caller, the claim is settled.
	settle := context.WithoutCancel(ctx)
	settled := false
	defer func() {
		if settled {
			return
		}
		if err := rt.Idempotency.Forget(settle, scope); err != nil {
			rt.Log.ErrorContext(ctx, "an Idempotency-Key can't be freed", "error", err, "request_id", c.Actor.Request.ID)
		}
	}()
	a, err := run()
	kept = Kept{Status: a.status, Body: a.body}
	if err != nil {
		f := fault.As(err)
		if f == nil || f.Kind == fault.Internal || f.Kind == fault.Unauthenticated ||
			f.Kind == fault.TooMany || f.Kind == fault.Unavailable {
			return a, err
		}
		kept.Fault = &KeptFault{f.Kind, f.Code, f.Message, f.Details, nil}
		if f.Data != nil {
			var failed error
			if kept.Fault.Data, failed = Encode(f.Data); failed != nil {
				return answer{}, failed
			}
		}
	}
	settled = true // from here on a repeat must not act again
	if lost := rt.Idempotency.Finish(settle, scope, key, kept); lost != nil {
		return answer{}, lost
	}
	return a, err
}

func (c *Call) replay(k Kept) (answer, error) {
	if f := k.Fault; f != nil {
		c.w.Header().Set("Idempotency-Replayed", "true")
		again := &fault.Error{Kind: f.Kind, Code: f.Code, Message: f.Message, Details: f.Details}
		if f.Data != nil {
			again.Data = f.Data
		}
		return answer{}, again
	}
	c.replayed = true
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
