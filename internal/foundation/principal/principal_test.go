package principal_test

import (
	"testing"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/principal"
)

var request = principal.Request{ID: "req-1", IP: "192.0.2.1", UserAgent: "Browser/1.0"}

func TestAnActorWhoTurnsOutToBeAUser(t *testing.T) {
	t.Parallel()
	guest := principal.Actor{Kind: principal.KindAnonymous, Request: request}
	got := guest.AsUser(principal.UserID{1}, "dana@acme.com")
	want := principal.Actor{Kind: principal.KindUser, ID: id.ID{1}, Label: "dana@acme.com", Request: request}
	if got != want {
		t.Errorf("%+v", got)
	}
	if guest != (principal.Actor{Kind: principal.KindAnonymous, Request: request}) {
		t.Errorf("the guest was changed: %+v", guest)
	}
	if got := principal.System(); got != (principal.Actor{Kind: principal.KindSystem}) {
		t.Errorf("%+v", got)
	}
}

// Only a user with a role holds anything.
func TestWhatPrincipalsHold(t *testing.T) {
	t.Parallel()
	who := principal.Actor{Kind: principal.KindUser, ID: id.ID{1}}
	for name, c := range map[string]struct {
		p    principal.Principal
		want func(permission.Key) bool
	}{
		"owner":     {principal.User{Actor: who, Role: permission.Owner}, permission.Owner.Holds},
		"admin":     {principal.User{Actor: who, Role: permission.Admin}, permission.Admin.Holds},
		"no role":   {principal.User{Actor: who}, func(permission.Key) bool { return false }},
		"pre-auth":  {principal.PreAuth{Actor: who}, func(permission.Key) bool { return false }},
		"other one": {principal.Other{Actor: who}, func(permission.Key) bool { return false }},
	} {
		if c.p.Who() != who {
			t.Errorf("%s is %+v", name, c.p.Who())
		}
		for _, k := range permission.Owner.Keys() {
			if c.p.Holds(k) != c.want(k) {
				t.Errorf("%s holds %s: %v", name, k, c.p.Holds(k))
			}
		}
	}
}
