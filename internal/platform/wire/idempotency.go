package wire

import (
	"context"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/secret"
)

// Idempotency keeps the answers of creating calls, so that a repeat finds the
// first answer and does nothing.
type Idempotency interface {
	// Begin claims a scope for a body. It gives the kept answer of a finished
	// call with the same body, nil for a call that is now to be done, or
	// ErrKeyReused or ErrInProgress.
	Begin(ctx context.Context, scope, bodyHash, key string) (*Kept, error)
	// Finish keeps the answer; Forget frees the scope for a repeat.
	Finish(ctx context.Context, scope, key string, k Kept) error
	Forget(ctx context.Context, scope string) error
}

// Kept is an answer that was given.
type Kept struct {
	Status int    `json:"status"`
	Body   []byte `json:"body"`
	Fault  *struct {
		Kind    fault.Kind `json:"kind"`
		Code    string     `json:"code"`
		Message string     `json:"message"`
		Details []string   `json:"details"`
		Data    any        `json:"data"`
	} `json:"fault"`
}

// once runs answer unless an equal call has been answered. Answers 401, 429 and
// 5xx are not kept; the call may be repeated.
func (rt *Router) once(ctx context.Context, c *Call, raw []byte, answer func() (int, []byte, error)) (int, []byte, error) {
	key := c.Header("Idempotency-Key")
	if !visible(key) {
		return 0, nil, fault.Validation.WithDetails("Idempotency-Key must be 1 to 255 visible ASCII characters")
	}
	scope := secret.Hash(c.Principal.ID.String() + " " + c.r.URL.Path + " " + key)
	kept, err := rt.Idempotency.Begin(ctx, scope, secret.Hash(string(raw)), key)
	if err != nil {
		return 0, nil, err
	}
	if kept != nil {
		c.replayed = true
		if f := kept.Fault; f != nil {
			c.SetHeader("Idempotency-Replayed", "true")
			return 0, nil, &fault.Error{Kind: f.Kind, Code: f.Code, Message: f.Message, Details: f.Details, Data: f.Data}
		}
		return kept.Status, kept.Body, nil
	}
	// Whatever becomes of the caller, the claim is settled.
	settle := context.WithoutCancel(ctx)
	finished := false
	defer func() {
		if !finished {
			_ = rt.Idempotency.Forget(settle, scope)
		}
	}()
	status, body, err := answer()
	keep := Kept{Status: status, Body: body}
	if err != nil {
		f := fault.As(err)
		if f == nil || f.Kind == fault.Internal || f.Kind == fault.Unauthenticated || f.Kind == fault.TooMany || f.Kind == fault.Unavailable {
			return status, body, err
		}
		keep.Fault = &struct {
			Kind    fault.Kind `json:"kind"`
			Code    string     `json:"code"`
			Message string     `json:"message"`
			Details []string   `json:"details"`
			Data    any        `json:"data"`
		}{f.Kind, f.Code, f.Message, f.Details, f.Data}
	}
	finished = rt.Idempotency.Finish(settle, scope, key, keep) == nil
	return status, body, err
}

func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return len(s) >= 1 && len(s) <= 255
}
