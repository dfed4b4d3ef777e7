package wire

import (
	"cmp"
	"maps"
	"reflect"
	"slices"

	"canopy.dev/canopy/internal/foundation/fault"
)

// ErrorCode is one entry of the catalogue of errors.
type ErrorCode struct {
	Code       string   `json:"code"`
	Kind       string   `json:"kind"`
	Status     int      `json:"status"`
	Message    string   `json:"message"`
	Advice     string   `json:"advice"` // what the client should do
	Operations []string `json:"operations"`
}

// advice says per kind what a client should do.
func advice(k fault.Kind) string {
	switch k {
	case fault.Invalid:
		return "Correct the request; unchanged it will fail again."
	case fault.Unauthenticated:
		return "Get a fresh access token, or sign in again."
	case fault.Forbidden:
		return "Do not repeat; it needs another credential or more rights."
	case fault.NotFound:
		return "Check the names and ids; the thing is not there, or not for this caller."
	case fault.Conflict:
		return "Read the current state, then decide whether to try again."
	case fault.Gone:
		return "Ask for a new link; this one will never work again."
	case fault.Unprocessable:
		return "Use a new key for a new request."
	case fault.TooMany, fault.Unavailable:
		return "Repeat after the seconds in Retry-After."
	case fault.Internal:
	}
	return "Repeat once; if it fails again, report it with the X-Request-Id of the answer."
}

// faults are all that an operation can answer: its own and those of the checks
// before its handler.
func (op *operation) faults() []*fault.Error {
	list := slices.Concat(op.Faults, op.access.faults, []*fault.Error{fault.Unknown, fault.Down})
	hasQuery := slices.ContainsFunc(op.params, func(p declaration) bool { return p.in == "query" })
	if op.in != reflect.TypeFor[None]() || hasQuery || op.Consistent {
		list = append(list, fault.Validation)
	}
	for _, p := range op.params {
		if p.missing != nil {
			list = append(list, p.missing)
		}
	}
	if len(op.Limits) > 0 {
		list = append(list, fault.RateLimited)
	}
	if op.Cookie.Name != "" {
		list = append(list, ErrOriginRefused)
	}
	list = append(list, op.busy()...)
	if op.Needs != "" {
		list = append(list, fault.PermissionDenied)
	}
	if op.IfMatch {
		list = append(list, ErrPrecondition)
	}
	if op.Idempotent {
		list = append(list, ErrKeyReused, ErrInProgress, ErrAnswerLost)
	}
	slices.SortFunc(list, func(a, b *fault.Error) int { return cmp.Compare(a.Code, b.Code) })
	return slices.CompactFunc(list, func(a, b *fault.Error) bool { return a.Code == b.Code })
}

// Errors is the catalogue: every code that a registered route can answer, by
// code, gathered from what the routes declare.
func (rt *Router) Errors() []ErrorCode {
	all := map[string]ErrorCode{}
	for _, op := range rt.operations {
		for _, f := range op.faults() {
			entry, known := all[f.Code]
			if !known {
				entry = ErrorCode{
					Code: f.Code, Kind: f.Kind.String(), Status: statuses[f.Kind], Message: f.Message, Advice: advice(f.Kind),
				}
			}
			entry.Operations = append(entry.Operations, op.ID)
			all[f.Code] = entry
		}
	}
	return slices.SortedFunc(maps.Values(all), func(a, b ErrorCode) int { return cmp.Compare(a.Code, b.Code) })
}
