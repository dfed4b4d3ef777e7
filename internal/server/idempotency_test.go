package server_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/server/servertest"
)

const (
	inDesk       = "/applications/desk/environments/development"
	inProduction = "/applications/desk/environments/production"
)

// creating has a call for each operation that honours an Idempotency-Key: its path below
// the Account, and a body with which it creates something.
var creating = map[string]creation{
	"createApplication":         {"/applications", is(m{"name": "Desk"})},
	"createEnvironment":         {"/applications/desk/environments", is(m{"name": "Staging"})},
	"createPermissions":         {"/api/v1/permissions", is(newPermission("lease.read"))},
	"createPermissionsInPortal": {inDesk + "/permissions", is(newPermission("lease.sign"))},
	"createRole":                {"/api/v1/roles", is(m{"name": "Reader"})},
	"createRoleInPortal":        {inDesk + "/roles", is(m{"name": "Writer"})},
	"bootstrapAccess": {inDesk + "/setup/access-bootstrap", func(provoker, *servertest.Client, string) m {
		return m{"resources": []m{{"name": "note", "actions": []string{"read"}}}, "roles": []m{}}
	}},
	"addResourcePermissions": {inDesk + "/setup/resource-permissions", func(provoker, *servertest.Client, string) m {
		return m{"resources": []m{{"name": "page", "actions": []string{"read"}}}, "role_permissions": []m{}}
	}},
	"createApiKey":           {"/api/v1/api-keys", is(newKey())},
	"createApiKeyInPortal":   {inDesk + "/api-keys", is(newKey())},
	"createWebhook":          {"/api/v1/webhooks", is(newWebhook())},
	"createWebhookInPortal":  {inDesk + "/webhooks", is(newWebhook())},
	"createWebhookInAccount": {"/webhooks", is(newWebhook())},
	"replayWebhook":          {"/api/v1/webhooks/{webhook}/replay", is(always())},
	"replayWebhookInPortal":  {inDesk + "/webhooks/{webhook}/replay", is(always())},
	"replayWebhookInAccount": {"/webhooks/{webhook}/replay", is(always())},
	"createAuditExport":      {"/api/v1/audit-events/export", is(m{"format": "csv"})},
	"createNode":             {"/api/v1/nodes", newNode},
	"createNodeInPortal":     {inDesk + "/nodes", newNode},
	"createUserInvite":       {"/user-invites", inviting},

	"createIdentityAuditExport":     {"/audit-log/identities/export", is(m{"format": "csv"})},
	"createAdminAuditExport":        {"/audit-log/admin/export", is(m{"format": "ndjson"})},
	"createAssignment":              {"/api/v1/assignments", newAssignment},
	"createAssignmentInPortal":      {inDesk + "/assignments", newAssignment},
	"bulkCreateAssignments":         {"/api/v1/assignments/bulk-create", newAssignments},
	"bulkCreateAssignmentsInPortal": {inDesk + "/assignments/bulk-create", newAssignments},

	"createIdentity":                    {"/api/v1/identities", whoever},
	"createIdentityInPortal":            {inDesk + "/identities", whoever},
	"bulkCreateIdentities":              {"/api/v1/identities/bulk-create", many},
	"bulkCreateIdentitiesInPortal":      {inDesk + "/identities/bulk-create", many},
	"attachIdentities":                  {"/api/v1/memberships/bulk-attach", someone},
	"attachIdentitiesInPortal":          {inDesk + "/memberships/bulk-attach", someone},
	"createApplicationIdentity":         {"/applications/desk/identities", whoever},
	"bulkCreateApplicationIdentities":   {"/applications/desk/identities/bulk-create", many},
	"attachApplicationIdentities":       {"/applications/desk/app-memberships/bulk-attach", someone},
	"createDirectoryIdentity":           {"/identities", whoever},
	"bulkCreateDirectoryIdentities":     {"/identities/bulk-create", many},
	"createIdentityInvite":              {"/api/v1/identity-invites", whoever},
	"createIdentityInviteInPortal":      {inDesk + "/identity-invites", whoever},
	"bulkCreateIdentityInvites":         {"/api/v1/identity-invites/bulk-create", manyInvited},
	"bulkCreateIdentityInvitesInPortal": {inDesk + "/identity-invites/bulk-create", manyInvited},
	"createDirectoryInvite":             {"/identity-invites", whoever},

	"addToApplication": {"/identities/{id}/app-memberships", func(_ provoker, c *servertest.Client, account string) m {
		return m{"application_id": c.Must(200, "GET", account+"/applications/desk", nil).Text("data", "id")}
	}},

	"importEnvironment": {inProduction + "/import", func(_ provoker, c *servertest.Client, account string) m {
		dump := c.Must(200, "GET", account+inProduction+"/export", nil).Body["data"].(m)
		dump["permissions"] = []any{m{"key": "dump.read", "name": "Read", "description": nil, "category": "dump"}}
		return dump
	}},
	"promoteEnvironment": {inProduction + "/promote", is(m{"source": "development"})},
	"bulkCreateUserInvites": {"/user-invites/bulk-create", func(p provoker, _ *servertest.Client, _ string) m {
		return m{"invites": []m{servertest.Invitation(p.Address()), servertest.Invitation(p.Address())}}
	}},
}

// whoever is the body that makes somebody new, to be one of many rows, or alone.
func whoever(p provoker, _ *servertest.Client, _ string) m {
	return m{"email": p.Address(), "first_name": "Dana", "last_name": "Cole"}
}

func many(p provoker, c *servertest.Client, account string) m {
	return m{"identities": []m{whoever(p, c, account), whoever(p, c, account)}}
}

func manyInvited(p provoker, c *servertest.Client, account string) m {
	return m{"invites": []m{whoever(p, c, account), whoever(p, c, account)}}
}

// someone is in the directory alone.
func someone(p provoker, c *servertest.Client, account string) m {
	made := c.Must(201, "POST", account+"/identities", whoever(p, c, account))
	return m{"identity_ids": []string{made.Text("data", "id")}}
}

// is a body that is always the same.
func is(body m) func(provoker, *servertest.Client, string) m {
	return func(provoker, *servertest.Client, string) m { return body }
}

func inviting(p provoker, _ *servertest.Client, _ string) m {
	return servertest.Invitation(p.Address())
}

type creation struct {
	path string // below the Account, or that of the public API
	body func(p provoker, c *servertest.Client, account string) m
}

func (c creation) below(account string) string {
	if strings.HasPrefix(c.path, "/api/") {
		return c.path
	}
	return account + c.path
}

func newNode(_ provoker, c *servertest.Client, account string) m {
	return m{"parent_node_id": c.Tree(account + inDesk), "node_type": "region", "name": "North"}
}

// newAssignment gives a new member a new role at the root.
func newAssignment(p provoker, c *servertest.Client, account string) m {
	who, _, _ := strings.Cut(p.Address(), "@")
	at := account + inDesk
	return m{"identity_id": c.Person(at, who), "node_id": c.Tree(at), "role_id": c.Role(at, who)}
}

func newAssignments(p provoker, c *servertest.Client, account string) m {
	return m{"assignments": []m{newAssignment(p, c, account), newAssignment(p, c, account)}}
}

func newKey() m {
	return m{"name": "Backend", "access_mode": "scoped", "scopes": []string{"hierarchy.view"}}
}

func newPermission(key string) m {
	return m{"permissions": []m{{"key": key, "name": "Lease", "category": "lease"}}}
}

// TestCreatingCallsActOnce: of every operation that honours an Idempotency-Key, a repeat
// gets the first answer, and does nothing when the process died before it was kept. New
// routes join by being registered.
func TestCreatingCallsActOnce(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		p := s.Provoker()
		c, account := p.Owner()
		audited := func() int { return dbtest.Number(t, s.DB, `SELECT count(*) FROM audit_event`) }
		left := maps.Clone(creating)
		for _, op := range s.Router.Operations() {
			if !op.Idempotent {
				continue
			}
			call, known := creating[op.ID]
			if !known {
				t.Errorf("%s: no call of this test creates something with it", op.ID)
				continue
			}
			delete(left, op.ID)
			path, body := call.below(account), call.body(p, c, account)
			if strings.Contains(path, "{id}") {
				made := c.Must(201, "POST", account+"/identities", whoever(p, c, account))
				path = strings.Replace(path, "{id}", made.Text("data", "id"), 1)
			}
			if strings.Contains(path, "{webhook}") {
				at := account + inDesk
				if strings.HasSuffix(op.ID, "InAccount") {
					at = account
				}
				made := c.Must(201, "POST", at+"/webhooks", newWebhook())
				path = strings.Replace(path, "{webhook}", made.Text("data", "id"), 1)
			}
			before := audited()
			first := c.Must(op.Status, op.Method, path, body, "Idempotency-Key", op.ID)
			did := audited() - before
			again := c.Must(op.Status, op.Method, path, body, "Idempotency-Key", op.ID)
			if again.Raw != first.Raw || again.Header.Get("Idempotency-Replayed") != "true" {
				t.Errorf("%s: %s, then %s", op.ID, first.Raw, again.Raw)
			}
			// What a process leaves that dies before it keeps its answer, a minute later.
			p.Execute(`UPDATE idempotency SET answer = NULL, renewed_at = 0 WHERE answer IS NOT NULL`)
			lost := c.Do(op.Method, path, body, "Idempotency-Key", op.ID)
			if lost.Status != 409 || lost.Code() != "idempotency.answer_lost" {
				t.Errorf("%s, after a crash: %d %s", op.ID, lost.Status, lost.Raw)
			}
			if did == 0 || audited() != before+did {
				t.Errorf("%s: the first call wrote %d audit rows, all of them %d", op.ID, did, audited()-before)
			}
		}
		if len(left) > 0 {
			t.Errorf("no operation is named %v", slices.Sorted(maps.Keys(left)))
		}
	})
}
