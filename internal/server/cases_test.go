package server_test

import (
	"strings"
	"testing"

	"canopy.dev/canopy/internal/server/servertest"
)

// Each row is a flaw that some product of this kind had, by the number under
// which it was published, and what must hold here. Rows run on both engines, on
// a server of their own where alex is the owner of Acme.
var inviteCases = []struct {
	name, number string
	run          func(t *testing.T, w world)
}{
	{"token-tamper", "CVE-2026-1529", tokenTamper},
	{"cross-account-id", "", crossAccountID},
	{"token-other-door", "CVE-2022-23555", purposeMatrix},
	{"id-is-no-secret", "CVE-2026-53514", idIsNoSecret},
	{"no-token-in-answers", "CVE-2026-105639", noTokenInAnswers},
	{"no-token-in-public", "CVE-2026-102981", noTokenInPublic},
	{"email-match-is-not-enough", "CVE-2026-104978", emailMatchIsNotEnough},
	{"one-link-one-person", "GHSA-jv85-mqxj-3f9j", oneLinkOnePerson},
	{"link-expires", "CVE-2026-41902", linkExpires},
	{"purpose-matrix", "CVE-2026-115933", purposeMatrix},
	{"used-is-used", "CVE-2026-73431", usedIsUsed},
	{"unverified-match", "CVE-2022-2326", unverifiedMatch},
	{"side-door-join", "CVE-2026-108731", sideDoorJoin},
	{"list-needs-right", "CVE-2026-2463", listNeedsRight},
	{"closed-means-closed", "CVE-2024-49757", closedMeansClosed},
	{"no-role-in-body", "CVE-2026-47416, PYSEC-2026-480", noRoleInBody},
	{"html-in-names", "GHSA-xxc6-35r7-796w", htmlInNames},
	{"html-in-account-name", "GHSA-gx3w-rwh5-w5cg", htmlInAccountName},
	{"anchor-and-header-injection", "CVE-2026-115507", anchorAndHeaderInjection},
	{"forwarded-host", "GHSA-2wmj-46rj-qm2w", everyHostHeader},
	{"every-host-header", "CVE-2026-29067", everyHostHeader},
	{"no-caller-chosen-link", "GHSA-pgx2-m66h-x29f, GHSA-9qq3-v9g3-cxhw", noCallerChosenLink},
	{"first-credential", "CVE-2026-119128", firstCredential},
	{"guessable-ids", "CVE-2026-109373", guessableIDs},
	{"whole-token", "CVE-2026-27840", wholeToken},
	{"token-not-email", "GHSA-4rxr-27mm-mxq9", tokenNotEmail},
	{"single-winner", "CVE-2026-53517", singleWinner},
	{"one-tenant-source", "CVE-2026-105209", oneTenantSource},
	{"disabled-is-disabled", "CVE-2026-1609", disabledIsDisabled},
	{"prefetch", "", prefetch},
	// mail-server-down is TestMailServerDown, which has a mail server to take down.
}

// world is where a case begins.
type world struct {
	*servertest.Server
	alex *servertest.Client // owner of Acme
	slug string
}

func TestInviteSecurityCases(t *testing.T) {
	for _, c := range inviteCases {
		t.Run(c.name, func(t *testing.T) {
			servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
				alex, slug := s.SignUp("alex@acme.com", "Acme")
				c.run(t, world{s, alex, slug})
			})
		})
	}
}

// invite invites an address into Acme and gives the invite's id and link token.
func (w world) invite(email string) (inviteID, token string) {
	inviteID = w.alex.Must(201, "POST", invites(w.slug), m{"email": email, "first_name": "Dana", "last_name": "Cole"}).Text("data", "id")
	return inviteID, w.MailedToken(email)
}

// join brings a new admin into Acme.
func (w world) join(email string) *servertest.Client {
	_, token := w.invite(email)
	c := w.Client()
	c.Must(200, "POST", "/v1/auth/accept-invite", acceptance(token))
	c.SignIn(email)
	return c
}

// members are the addresses of Acme's people.
func (w world) members(t *testing.T) string {
	t.Helper()
	var list []string
	for _, item := range w.alex.Must(200, "GET", "/portal/v1/accounts/"+w.slug+"/users?sort_by=email&order=asc", nil).At("items").([]any) {
		list = append(list, item.(m)["email"].(string))
	}
	return strings.Join(list, " ")
}

// status is the present status of one of Acme's invites.
func (w world) status(inviteID string) string {
	return w.alex.Must(200, "GET", invites(w.slug)+"/"+inviteID, nil).Text("data", "status")
}

// is complains unless an answer has a status and, where one is named, a code.
func is(t *testing.T, what string, a servertest.Answer, status int, code string) {
	t.Helper()
	if a.Status != status || code != "" && a.Code() != code {
		t.Errorf("%s: %d, want %d %s: %s", what, a.Status, status, code, a.Raw)
	}
}
