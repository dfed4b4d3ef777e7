package arch_test

import (
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
)

// owners are the rooms that own tables: SQL that names a table is written in its
// owner alone. Another room that needs rows asks the owner, or puts one of the
// joins into its query that the owner offers for that.
var owners = map[string]string{
	"account":                "account",
	"account_slug":           "account",
	"application":            "application",
	"environment":            "environment",
	"environment_deleted":    "environment",
	"application_deleted":    "application",
	"resume_state":           "application",
	"revision":               "revision",
	"change":                 "revision",
	"node":                   "hierarchy",
	"tally":                  "hierarchy",
	"permission":             "rbac",
	"role":                   "rbac",
	"role_permission":        "rbac",
	"api_key":                "apikey",
	"api_key_use":            "apikey",
	"api_key_denial":         "apikey",
	"identity":               "enduser",
	"app_membership":         "membership",
	"membership":             "membership",
	"assignment":             "assignment",
	"assignment_tally":       "assignment",
	"assignment_place":       "assignment",
	"identity_session":       "identitysession",
	"portal_user":            "portaluser",
	"account_member":         "portaluser",
	"registration":           "signup",
	"registration_nobody":    "signup",
	"portal_session":         "session",
	"portal_session_used":    "session",
	"portal_browser":         "portaluser",
	"pre_auth":               "session",
	"password_reset":         "recovery",
	"user_invite":            "invite",
	"audit_event":            "event",
	"audit_index":            "event",
	"audit_unsealed":         "event",
	"audit_swept":            "event",
	"audit_seal":             "seal",
	"audit_view":             "audit",
	"audit_export":           "export",
	"audit_export_piece":     "export",
	"audit_seal_head":        "seal",
	"webhook":                "delivery",
	"webhook_count":          "delivery",
	"webhook_turn":           "delivery",
	"webhook_delivery":       "delivery",
	"webhook_try":            "delivery",
	"outbox":                 "outbox",
	"signing_key":            "signingkey",
	"rate_count":             "ratelimit",
	"rate_place":             "ratelimit",
	"idempotency":            "idempotency",
	"identity_password":      "credential",
	"identity_link":          "credential",
	"identity_invite":        "identityinvite",
	"identity_factor":        "mfa",
	"identity_recovery_code": "mfa",
	"identity_device":        "mfa",
}

// migrator has no table of its own: what it names, its migrations bring to a newer form,
// of all rooms and tenants.
const migrator = "database"

func TestEveryTableHasOneOwner(t *testing.T) {
	t.Parallel()
	made := tables(t)
	for _, table := range made {
		if owners[table] == "" {
			t.Errorf("the table %s has no owner", table)
		}
	}
	named := map[string]bool{}
	for _, p := range packages(t) {
		if slices.Contains(helpers, p.room()) || p.room() == migrator {
			continue // looks at what the server under test has stored, or brings it to a newer form
		}
		for _, f := range p.files {
			ast.Inspect(f, func(n ast.Node) bool {
				text, ok := n.(*ast.BasicLit)
				if !ok || text.Kind != token.STRING {
					return true
				}
				sql, err := strconv.Unquote(text.Value)
				if err != nil {
					t.Fatal(err)
				}
				for _, m := range sqlText.FindAllStringSubmatch(sql, -1) {
					owner := owners[m[1]]
					if !slices.Contains(made, m[1]) {
						continue
					}
					if named[m[1]] = true; owner != p.room() {
						t.Errorf("%s: %s names the table %s, which is %s's", at(n), p.room(), m[1], owner)
					}
				}
				return true
			})
		}
	}
	for table := range owners {
		if !named[table] {
			t.Errorf("%s is named by no statement: take it off the list", table)
		}
	}
}

// tables are those that the migrations make.
func tables(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "internal/platform/database/migrations/sqlite/*.sql"))
	if err != nil || len(files) == 0 {
		t.Fatal("no migrations", err)
	}
	var list []string
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`CREATE TABLE ([a-z_]+)`).FindAllStringSubmatch(string(raw), -1) {
			list = append(list, m[1])
		}
	}
	return list
}
