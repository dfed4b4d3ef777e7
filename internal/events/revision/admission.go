package revision

import (
	"context"
	"sync"

	"canopy.dev/canopy/internal/foundation/scope"
)

// admission is what was proven of an Account since a call came in. All that admits the call
// stands on it: whose token it is, and what its path names.
type admission struct {
	mu sync.Mutex
	of scope.AccountID
	at At
}

type admissionKey struct{}

// Admit gives a context whose proofs of an Account are one: the call came in before it. What
// the call does, after it was admitted, asks about Environments, each time anew.
func Admit(ctx context.Context) context.Context {
	return context.WithValue(ctx, admissionKey{}, &admission{})
}

// admitted is a proof of the Account that the call has had.
func admitted(ctx context.Context, in scope.AccountID) (At, bool) {
	a, is := ctx.Value(admissionKey{}).(*admission)
	if !is {
		return At{}, false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.at, a.of == in
}

// remember keeps a proof for the rest of the admission.
func remember(ctx context.Context, in scope.AccountID, at At) {
	if a, is := ctx.Value(admissionKey{}).(*admission); is {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.of, a.at = in, at
	}
}
