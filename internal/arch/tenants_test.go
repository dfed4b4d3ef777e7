package arch_test

import (
	"go/ast"
	"go/constant"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// acrossTenants are the statements that touch an Account's table without naming
// the Account: a piece of the statement, and what narrows it instead.
var acrossTenants = []exception{
	{
		"account", "FROM account a JOIN account_slug s ON s.account_id = a.id WHERE a.id = $1",
		"the Account itself, by its id",
	},
	{"account", "SELECT count(*) FROM account_slug WHERE slug = $1", "whether a slug is taken in the install"},
	{"portaluser", "WHERE m.user_id = $1", "where a person may go: the question is about all Accounts"},
	{"portaluser", "SELECT account_id FROM account_member WHERE user_id = $1", "whose sessions end, in all Accounts"},
	{"signup", "WHERE token_hash = $1", "a link's token names its sign-up, which has no Account yet"},
	{"signup", "WHERE email = $1", "a sign-up belongs to an address, and has no Account yet"},
	{"signup", "WHERE id = $3 AND status = 'pending'", "the sign-up just found by its address"},
	{"signup", "DELETE FROM registration WHERE expires_at <= $1", "sweeps sign-ups by age"},
	{"invite", "WHERE token_hash = $1", "a link's token names its invite"},
	{"invite", "WHERE id = $1 AND token_hash = $2", "the mail's own invite and link"},
	{"invite", "WHERE id = $3 AND token_hash = $4", "the mail's own invite and link"},
	{"invite", "SELECT count(*) FROM user_invite…", "followed by filter, which begins with the Account"},
	{"invite", "SELECT id AS on_page FROM user_invite…", "followed by filter, which begins with the Account"},
	{"identityinvite", "WHERE v.token_hash = $1", "a link's token names its invite"},
	{"identityinvite", "WHERE v.id = $1 AND v.token_hash = $2", "the mail's own invite and link"},
	{"identityinvite", "WHERE id = $3 AND token_hash = $4", "the mail's own invite and link"},
	{"event", "SELECT DISTINCT account_id FROM audit_unsealed", "which Accounts have rows to be sealed"},
	{"event", "SELECT DISTINCT account_id FROM audit_index x WHERE created_at < $1", "whose rows are to be swept"},
	{"event", "SELECT id, account_id FROM audit_event WHERE id > $1", "each row says whose it is"},
	{"event", "COALESCE(account_id, '00000000-0000-0000-0000-000000000000') = $1", "an Account, or none"},
	{"event", "WITH written AS (…)", "each row that it writes says whose it is"},
	{"seal", "SELECT account_id FROM audit_seal_head", "of which Accounts the operator has the seal checked"},
	{"event", "FROM audit_event WHERE id IN (…)", "rows that an Account's order names; each says whose it is"},
	{"event", "SELECT min(kind) FROM audit_index WHERE", "which kinds of rows there are, of whatever Account"},
	{"event", "FROM ( SELECT id AS hit FROM", "names the Account by an argument that it adds"},
	{"event", "CROSS JOIN LATERAL", "ends with the Account, an argument that it adds"},
	{"event", "FROM walk CROSS JOIN audit_event e ON e.id = walk.row", "ends with the Account, an argument that it adds"},
	{"event", "SELECT created_at FROM audit_event ORDER BY id DESC", "one instant, for the doctor's look at the clock"},
	{"session", "WHERE refresh_hash = $", "a refresh token names its session"},
	{"session", "WHERE id = $6", "the session just read under its person's lock"},
	{"session", "WHERE successor IS NOT NULL AND renewed_at < $1", "sweeps what is sealed by age"},
	{"session", "WHERE successor IS NOT NULL AND renewed_at > $1", "brings back what a clock was set back from"},
	{"session", "WHERE id = $2", "the session just claimed by its token"},
	{"session", "WHERE id = $3", "the session just claimed by its token"},
	{"session", "WHERE id = $1 AND user_id = $2", "the caller's own session, in whichever Account"},
	{"session", "WHERE s.user_id = $1", "a person's sessions, in all Accounts"},
	{"session", "UPDATE portal_session SET ended_at = $1", "ends a person's sessions, in all Accounts or in one"},
	{"session", "DELETE FROM portal_session WHERE ended_at < $1", "sweeps by age"},
	{"revision", "FROM change WHERE created_at < $1", "sweeps by age"},
	{"revision", "WHERE scope_id = ANY(", "each row's Account is compared with the one that was asked for"},
	{"revision", "WHERE scope_id IN (SELECT value FROM json_each(", "likewise"},
	{"environment", "FROM environment_deleted ORDER BY deleted_at", "what is to be swept, of all Accounts"},
	{"application", "FROM application_deleted ORDER BY deleted_at", "what is to be swept, of all Accounts"},
	{"apikey", "WHERE k.key_hash = $1", "a key's value names its Environment"},
	{"apikey", "FROM api_key_denial WHERE minute < $1", "sweeps by age"},
	{"hierarchy", "WHERE deleted_at < $1", "sweeps by age"},
	{"membership", "AND NOT EXISTS (SELECT 1 FROM", "ends the condition of a list, which begins with its tier"},
	{"assignment", "IN (SELECT held.identity_id FROM", "names the Environment by an argument that it adds"},
	{"credential", "WHERE identity_id = $1 AND token_hash = $2", "the mail's own person and link"},
	{"credential", "WHERE expires_at < $1", "sweeps by age"},
	{"identitysession", "WHERE ended_at < $1", "sweeps by age"},
	{"delivery", "DELETE FROM webhook_count WHERE scope_id = $1", "the scope is a deleted Environment"},
	{"delivery", "WITH RECURSIVE step(id)", "what is due, of all Accounts"},
	{"delivery", "DELETE FROM webhook_try WHERE delivery_id IN", "what was found of one subscription, or by age"},
	{"delivery", "DELETE FROM webhook_delivery WHERE id IN", "likewise"},
	{"delivery", "WHERE id < $1 AND created_at < $2", "sweeps by age"},
	{"export", "FROM audit_export e WHERE slot IS NOT NULL", "what is to be worked on, of all Accounts"},
	{"export", "FROM audit_export WHERE expires_at <= $1", "sweeps by age"},
	{"delivery", "substr(secrets, 1, 12) <> $1", "seals under another install key, for all Accounts"},
	{"delivery", "UPDATE webhook SET secrets = $1 WHERE id = $2 AND secrets = $3", "likewise"},
	{"hierarchy", "updated_at = $2 FROM (VALUES", "followed by rows and updatedNodes, which begins with the Environment"},
	{"hierarchy", "ref = v.column3 FROM (VALUES", "followed by rows and updatedNodes, which begins with the Environment"},
}

type exception struct{ room, piece, why string }

// sqlText tells SQL from other strings by its first word and what it reads or
// changes.
var sqlText = regexp.MustCompile(`(?s)\b(?:FROM|JOIN|UPDATE|INTO)\s+([a-z_]+)\b`)

// statements are the SQL of a package, put together from its constants, with the
// place of each.
func statements(p *source) map[string]string {
	found := map[string]string{}
	for _, f := range p.files {
		ast.Inspect(f, func(n ast.Node) bool {
			switch e := n.(type) {
			case *ast.GenDecl:
				// A constant counts where it is used, with what is around it.
				return e.Tok != token.CONST
			case ast.Expr:
				if q, isText := put(p, e); isText {
					if sqlText.MatchString(q) {
						found[strings.Join(strings.Fields(q), " ")] = at(n)
					}
					return false
				}
			}
			return true
		})
	}
	return found
}

// put gives the text of an expression, with … where only the running program
// knows it.
func put(p *source, e ast.Expr) (q string, isText bool) {
	if v := p.info.Types[e].Value; v != nil && v.Kind() == constant.String {
		return constant.StringVal(v), true
	}
	sum, ok := e.(*ast.BinaryExpr)
	if !ok || sum.Op != token.ADD {
		return "…", false
	}
	left, text1 := put(p, sum.X)
	right, text2 := put(p, sum.Y)
	return left + right, text1 || text2
}

// ofNoTenant are the tables that belong to the install, to a person, or to an
// address; every other one has an account_id.
var ofNoTenant = map[string]string{
	"account":             "is the tenant",
	"portal_user":         "a person, in any number of Accounts",
	"portal_session_used": "goes with its session",
	"portal_browser":      "a person's, in whatever Account",
	"pre_auth":            "a person who has yet to choose an Account",
	"password_reset":      "a person's",
	"registration_nobody": "one row, about nothing",
	"outbox":              "work, whose subject has the Account",
	"signing_key":         "the install's",
	"rate_count":          "counts addresses and callers",
	"rate_place":          "an attempt's",
	"idempotency":         "a caller's",
}

// tenantTables are the tables with an account_id or, below Environments, an
// environment_id, as the migrations make them.
func tenantTables(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "internal/platform/database/migrations/sqlite/*.sql"))
	if err != nil || len(files) == 0 {
		t.Fatal("no migrations", err)
	}
	list := []string{"account"}
	table := regexp.MustCompile(`(?s)CREATE TABLE ([a-z_]+) \((.*?)\n\)`)
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range table.FindAllStringSubmatch(string(raw), -1) {
			switch has := strings.Contains(m[2], "\taccount_id ") || strings.Contains(m[2], "\tenvironment_id "); {
			case has:
				list = append(list, m[1])
			case ofNoTenant[m[1]] == "":
				t.Errorf("the table %s has neither account_id nor environment_id: a tenant's table needs one", m[1])
			}
		}
	}
	return list
}

var (
	namesTenant = regexp.MustCompile(`\b(?:account|environment)_id = \$\d|\baccount_id IN \(`)
	accountByID = regexp.MustCompile(`\b(?:FROM|JOIN|UPDATE) account\b.*\bid = (?:\$\d|[a-z]+\.account_id)`)
	assignments = regexp.MustCompile(`\bSET .*? WHERE\b`)
	inserts     = regexp.MustCompile(`^INSERT INTO [a-z_]+ \(([^)]*)\)`)
)

func TestStatementsNameTheAccount(t *testing.T) {
	t.Parallel()
	tables := tenantTables(t)
	needed := map[int]bool{}
	checked := 0
	for _, p := range packages(t) {
		if slices.Contains(helpers, p.room()) || p.room() == migrator {
			continue // looks at what the server under test has stored, or brings it to a newer form
		}
		for q, where := range statements(p) {
			var touched []string
			for _, m := range sqlText.FindAllStringSubmatch(q, -1) {
				if slices.Contains(tables, m[1]) {
					touched = append(touched, m[1])
				}
			}
			if len(touched) == 0 {
				continue
			}
			checked++
			if m := inserts.FindStringSubmatch(q); m != nil &&
				(strings.Contains(m[1], "account_id") || strings.Contains(m[1], "environment_id") ||
					strings.HasPrefix(q, "INSERT INTO account (")) {
				continue
			}
			if namesTenant.MatchString(assignments.ReplaceAllString(q, "WHERE")) ||
				slices.Equal(touched, []string{"account"}) && accountByID.MatchString(q) {
				continue
			}
			i := slices.IndexFunc(acrossTenants, func(x exception) bool {
				return x.room == p.room() && strings.Contains(q, x.piece)
			})
			if i < 0 {
				t.Errorf("%s: touches %v and names neither Account nor Environment: %s", where, touched, q)
				continue
			}
			needed[i] = true
		}
	}
	for i, x := range acrossTenants {
		if !needed[i] {
			t.Errorf("%s has no statement with %q any more: take it off the list", x.room, x.piece)
		}
	}
	if checked < 20 {
		t.Errorf("only %d statements were found", checked)
	}
}
