package peopleapi_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/server/servertest"
)

// opens is what each scope opens of the public API, as the specification has it.
var opens = map[permission.Key][]string{
	permission.IdentityView: {
		"GET /identities", "GET /identities/summary", "GET /identities/with-roles", "GET /identities/{id}",
		"GET /identities/{id}/assignments", "GET /identities/{id}/auth-state", "GET /identities/{id}/detail",
		"GET /identities/{id}/grants", "GET /identities/{id}/mfa", "GET /identities/{id}/permissions",
		"GET /identities/{id}/sessions", "GET /identity-invites", "GET /identity-invites/summary",
		"GET /identity-invites/{id}",
	},
	permission.IdentityManage: {
		"DELETE /identities/{id}", "DELETE /identities/{id}/sessions/{sessionId}", "DELETE /identity-invites/{id}",
		"PATCH /identities/{id}", "POST /identities", "POST /identities/bulk-create", "POST /identities/{id}/activate",
		"POST /identities/{id}/deactivate", "POST /identities/{id}/mfa/reset", "POST /identities/{id}/password",
		"POST /identities/{id}/password/reset", "POST /identities/{id}/sessions/revoke",
		"POST /identities/{id}/verify-email", "POST /identity-invites", "POST /identity-invites/bulk-create",
		"POST /identity-invites/{id}/resend", "POST /memberships/bulk-attach",
	},
	permission.AssignmentsView: {
		"GET /assignments/app-wide", "GET /assignments/app-wide/summary", "GET /identities/{id}/assignments",
	},
	permission.AssignmentsManage: {
		"DELETE /assignments/{id}", "PATCH /assignments/{id}", "POST /assignments", "POST /assignments/bulk-change-role",
		"POST /assignments/bulk-create", "POST /assignments/bulk-remove",
	},
	permission.Evaluate: {
		"POST /permissions/accessible-nodes", "POST /permissions/evaluate", "POST /permissions/evaluate/bulk",
		"POST /permissions/evaluate/explain",
	},
	permission.HierarchyView: {
		"GET /hierarchy-schema", "GET /nodes", "GET /nodes/parents", "GET /nodes/search", "GET /nodes/{id}",
		"GET /nodes/{id}/ancestors", "GET /nodes/{id}/children", "GET /nodes/{id}/identities",
		"GET /nodes/{id}/identities/summary", "GET /nodes/{id}/tree",
	},
	permission.HierarchyManage: {
		"DELETE /nodes/{id}", "PATCH /hierarchy-schema", "PATCH /nodes/{id}", "POST /nodes", "POST /nodes/{id}/move",
	},
	permission.RolesView: {
		"GET /permissions", "GET /permissions/{id}", "GET /permissions/{id}/usage", "GET /roles", "GET /roles/{id}",
		"GET /roles/{id}/permissions",
	},
	permission.RolesManage: {
		"DELETE /permissions/{id}", "DELETE /roles/{id}", "PATCH /permissions/{id}", "PATCH /roles/{id}",
		"POST /permissions", "POST /roles", "PUT /roles/{id}/permissions",
	},
	permission.APIKeyView: {"GET /api-keys"},
	permission.AuditView:  {"GET /audit-events", "GET /audit-events/{id}", "GET /changes"},
	permission.AuditExport: {
		"DELETE /audit-events/export/{id}", "GET /audit-events/export", "GET /audit-events/export/{id}",
		"POST /audit-events/export",
	},
	permission.WebhookView: {
		"GET /webhooks", "GET /webhooks/{id}", "GET /webhooks/{id}/deliveries",
		"GET /webhooks/{id}/deliveries/{deliveryId}",
	},
	permission.WebhookManage: {
		"DELETE /webhooks/{id}", "PATCH /webhooks/{id}", "POST /webhooks",
		"POST /webhooks/{id}/deliveries/{deliveryId}/retry", "POST /webhooks/{id}/replay",
		"POST /webhooks/{id}/rotate-secret", "POST /webhooks/{id}/test",
	},
	permission.APIKeyManage: {
		"DELETE /api-keys/{id}", "PATCH /api-keys/{id}", "POST /api-keys", "POST /api-keys/{id}/rotate-secret",
	},
}

// TestScopesOpenWhatTheySay walks every route of the public API with a key of each single
// scope: exactly the cells of the table are let in.
func TestScopesOpenWhatTheySay(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, database.SQLite, nil)
	c, at := acme(s)
	for _, scope := range permission.System() {
		key := c.Key(at, string(scope))
		var got []string
		for _, op := range s.Router.Operations() {
			path, public := strings.CutPrefix(op.Path, "/api/v1")
			if !public || path == "/webhooks/event-types" { // which is open to all
				continue
			}
			a := with(s, key, op.Method, strings.Replace(path, "{id}", servertest.NoID, 1), nil)
			switch {
			case a.Code() != "auth.permission_denied":
				got = append(got, op.Method+" "+path)
			case a.Status != 403:
				t.Error(a.Raw)
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(opens[scope], got); diff != "" {
			t.Errorf("%s:\n%s", scope, diff)
		}
	}
}
