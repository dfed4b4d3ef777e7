package server_test

import (
	"strings"

	"canopy.dev/canopy/internal/server/servertest"
)

// ownCalls are the calls of operations with one door that want more than their path.
var ownCalls = map[string]ownCall{
	"saveAuditView":   {body: m{"name": "Refused", "surface": "admin", "filters": m{"outcome": "denied"}}},
	"deleteAuditView": {path: func(*ground) string { return "/portal/v1/me/audit-views?surface=admin&name=Refused" }},

	"createIdentityAuditExport": {body: m{"format": "csv"}},
	"createAdminAuditExport":    {body: m{"format": "ndjson", "severity": "notice"}},
	"getIdentityAuditExport":    {path: exportedAt("/audit-log/identities/export")},
	"getAdminAuditExport":       {path: exportedAt("/audit-log/admin/export")},
	"deleteIdentityAuditExport": {path: exportedAt("/audit-log/identities/export")},
	"deleteAdminAuditExport":    {path: exportedAt("/audit-log/admin/export")},
	"downloadAuditExport": {path: func(g *ground) string {
		job := g.owner.Must(200, "GET", exportedAt("/audit-log/admin/export")(g), nil)
		return strings.TrimPrefix(job.Text("data", "download_url"), g.s.URL)
	}},

	"updateAccount":     {body: m{"name": "Acme Two"}},
	"createApplication": {body: m{"name": "Other"}},
	"updateApplication": {body: m{"name": "Other"}},
	"deleteApplication": {before: func(g *ground, _ string) {
		g.owner.Must(201, "POST", g.account()+"/applications", m{"name": "Other"})
	}},
	"setDefaultEnvironment": {body: m{"slug": "production"}},
	"createEnvironment":     {body: m{"name": "Staging"}},
	"updateEnvironment":     {body: m{"name": "Staging"}},
	"deleteEnvironment":     {path: inOwn(inProduction)},
	"setAccessModel":        {body: m{"model": "hierarchy"}},
	"setResumeState":        {body: m{"environment_slug": "production"}},
	"importEnvironment": {body: func(g *ground) m {
		return g.owner.Must(200, "GET", g.at+"/export", nil).At("data").(m)
	}},
	"previewAccess":          {body: m{"change": m{"kind": "environment.revert_to_flat"}}},
	"promoteEnvironment":     {body: m{"source": "production"}},
	"revertToFlat":           {},
	"bootstrapAccess":        {body: m{"resources": []m{notes()}, "roles": []m{}}},
	"addResourcePermissions": {body: m{"resources": []m{notes()}, "role_permissions": []m{}}},
	"bulkChangeAssignmentWindow": {body: func(g *ground) m {
		return m{"assignment_ids": []string{g.holding().id}, "effective_to": nil}
	}},

	"authzenEvaluation":     {body: standardQuestion()},
	"authzenEvaluations":    {body: m{"evaluations": []m{standardQuestion(), {}}}},
	"authzenSearchSubject":  {body: standardQuestion()},
	"authzenSearchResource": {body: standardQuestion()},
	"authzenSearchAction":   {body: standardQuestion()},

	"createApplicationIdentity":       {body: newIdentity("")},
	"bulkCreateApplicationIdentities": {body: m{"identities": []m{newIdentity("a"), newIdentity("b")}}},
	"reportApplicationImport":         {body: m{"mode": "create", "total": 3, "succeeded": 2, "failed": 1}},
	"updateApplicationIdentity":       {body: m{"first_name": "Donna"}},
	"activateApplicationIdentity":     {},
	"deactivateApplicationIdentity":   {},
	"attachApplicationIdentities": {body: func(g *ground) m {
		return m{"identity_ids": []string{g.outsider()}}
	}},

	"createDirectoryIdentity":       {body: newIdentity("")},
	"bulkCreateDirectoryIdentities": {body: m{"identities": []m{newIdentity("a"), newIdentity("b")}}},
	"reportDirectoryImport":         {body: m{"mode": "invite", "total": 1, "succeeded": 1, "failed": 0}},
	"updateDirectoryIdentity":       {body: m{"first_name": "Donna"}},
	"setDirectoryIdentityStatus":    {body: m{"is_active": false}},
	"requestDirectoryPasswordReset": {},
	"resendDirectoryVerification":   {},
	"resetDirectoryIdentityMfa":     {},
	"addToApplication": {
		path: func(g *ground) string { return g.account() + "/identities/" + g.outsider() + "/app-memberships" },
		body: func(g *ground) m { return m{"application_id": g.applicationID()} },
	},
	"removeFromApplication": {path: func(g *ground) string {
		return g.account() + "/identities/" + g.identity() + "/app-memberships/" + g.applicationID()
	}},

	"createDirectoryInvite": {body: newIdentity("")},
	"resendDirectoryInvite": {},
	"identityInviteInfo": {body: func(g *ground) m {
		_, token := g.offered(invitation(""))
		return m{"token": token}
	}, by: stranger},
	"acceptIdentityInvite": {body: func(g *ground) m {
		_, token := g.offered(invitation(""))
		return accepting(token)
	}, by: stranger},

	"updateMember":     {body: m{"account_role": "owner"}},
	"createUserInvite": {body: servertest.Invitation("kim@acme.com")},
	"bulkCreateUserInvites": {body: m{"invites": []m{
		servertest.Invitation("kim@acme.com"), servertest.Invitation("lee@acme.com"),
	}}},
	"resendUserInvite": {before: cooled},
	"activateUser": {before: func(g *ground, at string) {
		g.owner.Must(200, "POST", strings.TrimSuffix(at, "/activate")+"/deactivate", nil)
	}},
	"deactivateUser": {},

	"register": {body: func(g *ground) m { return servertest.Registration(g.p.Address()) }, by: stranger},
	"login": {body: func(g *ground) m {
		return servertest.Credentials(g.email(), servertest.Password)
	}, by: stranger},
	"logout":             {},
	"refresh":            {},
	"forgotPassword":     {body: m{"email": "nobody@acme.com"}, by: stranger},
	"resendVerification": {body: m{"email": "nobody@acme.com"}, by: stranger},
	"changePassword": {body: m{
		"current_password": servertest.Password, "new_password": "Another-Horse-8",
	}},
	"resetPassword": {body: func(g *ground) m {
		return m{"token": g.forgotten(), "password": "Another-Horse-8"}
	}, by: stranger},
	"verifyEmail": {body: func(g *ground) m { return m{"token": g.registered()} }, by: stranger},
	"verifyEmailByLink": {path: func(g *ground) string {
		return "/v1/auth/verify-email?token=" + g.registered()
	}, by: stranger},
	"inviteInfo":   {body: func(g *ground) m { return m{"token": g.invitedUser()} }, by: stranger},
	"acceptInvite": {body: func(g *ground) m { return servertest.Acceptance(g.invitedUser()) }, by: stranger},
	"selectApplication": {by: (*ground).undecided, body: func(g *ground) m {
		me := g.owner.Must(200, "GET", "/v1/auth/me", nil)
		return m{"account_id": me.Text("data", "account", "account_id"), "application_id": g.applicationID()}
	}},
	"switchApplication": {body: func(g *ground) m { return m{"application_id": g.applicationID()} }},
}

// mixedBodies have a good and a bad row.
var mixedBodies = map[string]any{
	"bulkCreateApplicationIdentities": m{"identities": []m{newIdentity("a"), newIdentity("a")}},
	"bulkCreateDirectoryIdentities":   m{"identities": []m{newIdentity("a"), newIdentity("a")}},
	"attachApplicationIdentities":     m{"identity_ids": []string{servertest.NoID}},
	"bulkCreateUserInvites": m{"invites": []m{
		servertest.Invitation("kim@acme.com"), servertest.Invitation("kim@acme.com"),
	}},
}

func inOwn(path string) func(g *ground) string {
	return func(g *ground) string { return g.account() + path }
}

func stranger(g *ground) *client { return g.s.Client() }

func notes() m { return m{"name": "note", "actions": []string{"read"}} }

// outsider is in the directory alone.
func (g *ground) outsider() string {
	return g.owner.Must(201, "POST", g.account()+"/identities", newIdentity("")).Text("data", "id")
}

// registered signs somebody up, and gives what the mail says.
func (g *ground) registered() (token string) {
	email := g.p.Address()
	g.s.Client().Must(201, "POST", "/v1/auth/register", servertest.Registration(email))
	return g.s.MailedToken(email)
}

// invitedUser invites a colleague, and gives what the mail says.
func (g *ground) invitedUser() (token string) {
	email := g.p.Address()
	g.owner.Must(201, "POST", g.account()+"/user-invites", servertest.Invitation(email))
	return g.s.MailedToken(email)
}

// email is the owner's address.
func (g *ground) email() string {
	return g.owner.Must(200, "GET", "/v1/auth/me", nil).Text("data", "email")
}

// forgotten has the owner forget the password, and gives what the mail says.
func (g *ground) forgotten() (token string) {
	g.s.Client().Must(200, "POST", "/v1/auth/forgot-password", m{"email": g.email()})
	return g.s.MailedToken(g.email())
}

// undecided is the owner, who has a second Application and has chosen none.
func (g *ground) undecided() *client {
	g.owner.Must(201, "POST", g.account()+"/applications", m{"name": "Other"})
	c := g.s.Client()
	c.SignIn(g.email())
	return c
}

// standardQuestion is one in the words of AuthZEN.
func standardQuestion() m {
	return m{
		"subject": m{"type": "identity", "id": "nobody"}, "action": m{"name": "lease.read"},
		"resource": m{"type": "node", "id": "nowhere"},
	}
}

// exportedAt is the way to a file that was made.
func exportedAt(door string) func(*ground) string {
	return func(g *ground) string {
		at := g.account() + door
		id := g.owner.Must(202, "POST", at, m{}).Text("data", "id")
		if _, err := g.s.Exports.RunDue(g.t.Context()); err != nil {
			g.t.Fatal(err)
		}
		return at + "/" + id
	}
}
