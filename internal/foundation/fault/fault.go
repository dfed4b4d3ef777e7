// Package fault is how Canopy says no. A fault carries a code for programs, one
// sentence for people and, hidden from both, the cause for operators.
//
// Rooms declare their faults as package variables in faults.go; package wire
// alone turns a kind into an HTTP status and writes the body. An error that is
// not a fault is an internal error: logged once, answered blandly.
package fault

import (
	"errors"
	"time"
)

// Kind is the class of a fault; wire maps each to one HTTP status.
type Kind int

// The kinds, with the status wire answers.
const (
	Internal        Kind = iota // 500
	Invalid                     // 400
	Unauthenticated             // 401
	Forbidden                   // 403
	NotFound                    // 404
	Conflict                    // 409
	Gone                        // 410
	Unprocessable               // 422
	TooMany                     // 429
	Unavailable                 // 503
)

// String is the kind in one word, as the catalogue of errors spells it.
func (k Kind) String() string {
	words := [...]string{
		"internal", "invalid", "unauthenticated", "forbidden", "not_found", "conflict", "gone", "unprocessable",
		"too_many", "unavailable",
	}
	return words[k]
}

// Error is a fault. A declared fault is never changed: the With methods copy,
// so declared values may be used by any number of goroutines.
type Error struct {
	Kind       Kind
	Code       string        // stable, for programs: "invites.not_pending"
	Message    string        // one English sentence
	Details    []string      // one sentence per broken field, only with validation and import checks
	Data       any           // extra facts, where the contract says so
	RetryAfter time.Duration // 0: no Retry-After header
	Quota      *Quota        // the limit that was hit, if any
	cause      error
}

// Quota is the state of a limit, for the RateLimit-* headers.
type Quota struct {
	Limit, Remaining int
	Reset            time.Duration // until the window ends
}

// New declares a fault.
func New(kind Kind, code, message string) *Error {
	return &Error{Kind: kind, Code: code, Message: message}
}

// Error is the sentence, followed by the cause: for logs, not for answers.
func (e *Error) Error() string {
	if e.cause != nil {
		return e.Code + ": " + e.Message + ": " + e.cause.Error()
	}
	return e.Code + ": " + e.Message
}

// Unwrap gives the cause, nil where there is none.
func (e *Error) Unwrap() error { return e.cause }

// Is reports whether target is the same declared fault, whatever it carries.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// WithCause copies e with the error behind it, which only logs will show.
func (e *Error) WithCause(err error) *Error { c := *e; c.cause = err; return &c }

// WithData copies e with facts for the answer's "data".
func (e *Error) WithData(v any) *Error { c := *e; c.Data = v; return &c }

// WithDetails copies e with one sentence per problem.
func (e *Error) WithDetails(d ...string) *Error { c := *e; c.Details = d; return &c }

// WithRetryAfter copies e with the time after which a repeat may work.
func (e *Error) WithRetryAfter(d time.Duration) *Error { c := *e; c.RetryAfter = d; return &c }

// WithQuota copies e with the limit that was hit; a repeat may work once it resets.
func (e *Error) WithQuota(q Quota) *Error {
	c := *e
	c.Quota, c.RetryAfter = &q, q.Reset
	return &c
}

// As finds the fault in err's chain; nil when there is none.
func As(err error) *Error {
	e, _ := errors.AsType[*Error](err)
	return e
}

// The faults that belong to no one room.
var (
	Validation = New(Invalid, "validation", "The request breaks one or more rules")
	Busy       = New(Unavailable, "server.busy", "The server is busy, try again shortly").WithRetryAfter(time.Second)
	Down       = New(Unavailable, "server.unavailable", "The server can't answer at the moment, try again shortly").
			WithRetryAfter(time.Second)
	Unknown     = New(Internal, "server.internal", "Something went wrong on our side")
	RateLimited = New(TooMany, "rate_limit.exceeded", "Too many requests, try again later")

	// PermissionDenied is for a caller whose credential is good and whose right is
	// missing.
	PermissionDenied = New(Forbidden, "auth.permission_denied", "You are not allowed to do this")
	// VersionConflict is for a conditional change of an object that has changed
	// since it was read; its data is the object as it is now.
	VersionConflict = New(Conflict, "version_conflict", "The resource was changed since you read it")
)

// Problems gathers what is wrong with one request, so that every problem is
// told at once. The zero value is ready. It is not for concurrent use.
type Problems []string

// Add notes one sentence, which begins with the field's name; "" is nothing.
func (p *Problems) Add(field, rule string) {
	if rule != "" {
		*p = append(*p, field+" "+rule)
	}
}

// Err is nil without problems, else Validation with all of them.
func (p *Problems) Err() error {
	if len(*p) == 0 {
		return nil
	}
	return Validation.WithDetails(*p...)
}
