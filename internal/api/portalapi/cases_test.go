package portalapi_test

import (
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

func TestInviteSecurityCases(t *testing.T) {
	t.Parallel()
	for _, c := range inviteCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			servertest.Each(t, nil, func(t *testing.T, s *server) { c.run(t, world{s.Acme()}) })
		})
	}
}
