package portalapi_test

import (
	"testing"

	"canopy.dev/canopy/internal/server/servertest"
)

type (
	m        = servertest.Map
	answer   = servertest.Answer
	client   = servertest.Client
	server   = servertest.Server
	provoker = servertest.Provoker
)

// world is where most tests begin.
type world struct{ servertest.Acme }

// dana is an invitation that needs tidying.
var dana = servertest.Invitation("  Dana@ACME.com ")

// invites is the path of the Account's invites.
func (w world) invites() string { return servertest.Invites(w.Slug) }

// account is the path of the Account.
func (w world) account() string { return "/portal/v1/accounts/" + w.Slug }

func (w world) anyone() guest { return anyone(w.Server) }

// guest is a caller who does what needs no access token.
type guest struct{ *client }

// anyone is a new caller without credentials.
func anyone(s *server) guest { return guest{s.Client()} }

func (g guest) login(email, password string) answer {
	return g.Do("POST", "/v1/auth/login", servertest.Credentials(email, password))
}

func (g guest) preview(token string) answer {
	return g.Do("POST", "/v1/auth/invite-info", m{"token": token})
}

func (g guest) accept(token string, header ...string) answer {
	return g.Do("POST", "/v1/auth/accept-invite", servertest.Acceptance(token), header...)
}

func (g guest) verify(token string) answer {
	return g.Do("POST", "/v1/auth/verify-email", m{"token": token})
}

// prove is verify with the password of a sign-up.
func (g guest) prove(token, password string) answer {
	return g.Do("POST", "/v1/auth/verify-email", m{"token": token, "password": password})
}

func (g guest) reset(token, password string) answer {
	return g.Do("POST", "/v1/auth/reset-password", m{"token": token, "password": password})
}

// is complains unless an answer has a status and, where one is named, a code.
func is(t *testing.T, what string, a servertest.Answer, status int, code string) {
	t.Helper()
	if a.Status != status || code != "" && a.Code() != code {
		t.Errorf("%s: %d, want %d %s: %s", what, a.Status, status, code, a.Raw)
	}
}
