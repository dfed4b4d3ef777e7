package identityapi_test

import (
	"strings"
	"testing"
	"time"

	"canopy.dev/canopy/internal/events/eventtest"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/server/servertest"
)

// rows are the events since the last look, by action, with the actor's kind and the payload.
func (w *world) rows() map[string]eventtest.Row {
	w.t.Helper()
	rows := map[string]eventtest.Row{}
	for _, r := range eventtest.Take(w.t, w.DB) {
		rows[r.Action] = r
	}
	return rows
}

// TestInviteMakesAMember: who accepts is an identity with a proven address, a member, and holds
// the role; a decision that is asked right after the answer knows it.
func TestInviteMakesAMember(t *testing.T) {
	t.Parallel()
	each(t, nil, func(t *testing.T, w *world) {
		root, role, key := w.owner.Tree(w.at), w.role(), w.owner.Key(w.at)
		w.owner.Must(201, "POST", w.at+"/permissions", m{"permissions": []m{
			{"key": "lease.read", "name": "Read", "category": "lease"},
		}})
		w.owner.Must(200, "PUT", w.at+"/roles/"+role+"/permissions", m{"permission_keys": []string{"lease.read"}})
		id, token := w.invite("  Dana@ACME.com ", m{"role_id": role, "node_id": root})
		shown := m{
			"email": "dana@acme.com", "intent": "activate", "first_name": "Dana", "last_name": "Cole", "app_name": "Desk",
			"inviter_email": w.email, "password_required": true,
		}
		for range 2 {
			p := w.preview(token)
			for field, want := range shown {
				if p.At("data", field) != want {
					t.Errorf("%s: %s", field, p.Raw)
				}
			}
		}
		for field, code := range map[string]string{"first_name": "validation", "password": "validation"} {
			body := joining(token)
			delete(body, field)
			is(t, "without "+field, w.accept(body), code)
		}
		if w.status(id) != "pending" {
			t.Error("a refusal used the invite")
		}
		w.rows()
		a := w.accept(joining(token))
		is(t, "accept", a, "ok")
		if a.Raw != `{"data":{"message":"Invite accepted"}}` || a.Header.Get("Set-Cookie") != "" {
			t.Error("more than a message:", a.Raw, a.Header)
		}
		who := w.owner.Must(200, "GET", w.at+"/identities?q=dana", nil).Text("items", "0", "id")
		decision := w.Client().Must(200, "POST", "/api/v1/permissions/evaluate",
			m{"identity_id": who, "permission": "lease.read", "scope": "app_wide"}, "X-API-Key", key)
		if decision.At("data", "allowed") != any(true) {
			t.Error(decision.Raw)
		}
		detail := w.owner.Must(200, "GET", w.at+"/identities/"+who+"/detail", nil)
		if detail.At("data", "email_verified") != any(true) || detail.Text("data", "roles", "0", "id") != role {
			t.Error(detail.Raw)
		}
		rows := w.rows()
		for action, payload := range map[string]string{
			"invite.accepted":               `"email":"dana@acme.com","intent":"activate"`,
			"identity.created":              `"source":"invite"`,
			"identity.env_membership.added": `"source":"invite","invite_id":"` + id + `"`,
			"assignment.created":            `"source":"invite"`,
		} {
			r := rows[action]
			if r.ActorType != "identity" || r.ActorID.String() != who || r.ActorLabel != "dana@acme.com" ||
				r.Environment.IsZero() || !strings.Contains(r.Metadata, payload) {
				t.Errorf("%s: %+v", action, r)
			}
		}
		n := dbtest.Number(t, w.DB, `SELECT count(*) FROM app_membership WHERE invited_at IS NOT NULL`)
		if len(rows) != 4 || n != 1 {
			t.Errorf("%d kinds of events, %d places that began with an invite", len(rows), n)
		}
		is(t, "a second time", w.accept(joining(token)), "invites.already_accepted")
		if w.status(id) != "accepted" {
			t.Error(w.status(id))
		}
	})
}

// TestInviteAddsWhoIsThere: who is an identity proves it with the password, if there is one, and
// stays the same.
func TestInviteAddsWhoIsThere(t *testing.T) {
	t.Parallel()
	each(t, nil, func(t *testing.T, w *world) {
		there := w.account + production
		id := w.memberAt(there, "mia@acme.com")
		root, role := w.owner.Tree(w.at), w.role()
		made := w.owner.Must(201, "POST", w.at+"/identity-invites", m{
			"email": "mia@acme.com", "first_name": "Other", "last_name": "Name", "role_id": role, "node_id": root,
		})
		if made.Text("data", "intent") != "add_to_app" || made.Text("data", "name") != "Mia Moss" {
			t.Error(made.Raw)
		}
		token := tokenOf(t, made)
		if p := w.preview(token); p.Text("data", "intent") != "add_to_app" ||
			p.At("data", "password_required") != any(true) {
			t.Error(p.Raw)
		}
		is(t, "without a password", w.accept(m{"token": token}), "validation")
		is(t, "with a wrong one", w.accept(m{"token": token, "password": "wrong"}), "auth.invalid_credentials")
		w.rows()
		body := m{"token": token, "password": password, "first_name": "\u202e", "last_name": ""}
		is(t, "with the right one", w.accept(body), "ok")
		i := w.owner.Must(200, "GET", w.at+"/identities/"+id+"/detail", nil)
		if i.Text("data", "first_name") != "Mia" || i.At("data", "role_count") != 1. ||
			i.At("data", "email_verified") != any(true) {
			t.Error(i.Raw)
		}
		if rows := w.rows(); len(rows) != 4 || rows["identity.created"].Action != "" ||
			!strings.Contains(rows["identity.email.verified"].Metadata, `"method":"invite"`) {
			t.Error(rows)
		}

		none := m{"email": "no@acme.com", "first_name": "No", "last_name": "Password"}
		w.owner.Must(201, "POST", there+"/identities", none)
		_, token = w.invite("no@acme.com", nil)
		if p := w.preview(token); p.At("data", "password_required") != any(false) {
			t.Error(p.Raw)
		}
		is(t, "without a password to prove", w.accept(m{"token": token, "password": "ignored"}), "ok")
	})
}

// TestInviteBringsBack: who was removed is a member again, without what was held before.
func TestInviteBringsBack(t *testing.T) {
	t.Parallel()
	each(t, nil, func(t *testing.T, w *world) {
		id := w.member("mia@acme.com")
		root, role := w.owner.Tree(w.at), w.role()
		w.owner.Assign(w.at, id, root, role)
		w.owner.Must(204, "DELETE", w.account+"/applications/desk/identities/"+id, nil)
		_, token := w.invite("mia@acme.com", nil)
		w.rows()
		is(t, "accept", w.accept(m{"token": token, "password": password}), "ok")
		if r := w.rows()["identity.env_membership.added"]; !strings.Contains(r.Metadata, `"reactivated":true`) {
			t.Error(r)
		}
		if i := w.owner.Must(200, "GET", w.at+"/identities/"+id+"/detail", nil); i.At("data", "role_count") != 0. {
			t.Error(i.Raw)
		}
	})
}

// TestInviteResetsAPassword: the new one is none of the last five, and everything that the old
// one has opened ends.
func TestInviteResetsAPassword(t *testing.T) {
	t.Parallel()
	each(t, nil, func(t *testing.T, w *world) {
		id := w.member("mia@acme.com")
		set := func(p string) { w.owner.Must(204, "POST", w.at+"/identities/"+id+"/password", m{"password": p}) }
		lately := []string{"one secret", "two secrets", "three secrets", "four secrets", "five secrets"}
		for _, p := range lately {
			set(p)
		}
		dbtest.Exec(t, w.DB, `INSERT INTO identity_session (id, account_id, application_id, environment_id, identity_id,
			created_at, expires_at) SELECT id, account_id, application_id, environment_id, identity_id, $1, $2
			FROM membership WHERE identity_id = $3`, w.Clock.Now(), w.Clock.Now().Add(time.Hour), id)
		invited, token := w.invite("mia@acme.com", m{"intent": "password_reset"})
		if p := w.preview(token); p.Text("data", "intent") != "password_reset" {
			t.Error(p.Raw)
		}
		for p, code := range map[string]string{
			"sunshine": "identities.password_breached", "MIA@acme.com": "validation", "short": "validation",
		} {
			is(t, p, w.accept(m{"token": token, "password": p}), code)
		}
		for _, p := range lately {
			is(t, p, w.accept(m{"token": token, "password": p}), "identities.password_reused")
		}
		if w.status(invited) != "pending" {
			t.Error("a refusal used the invite")
		}
		dbtest.Exec(t, w.DB, `UPDATE identity SET wrong_passwords = 12, locked_until = $1`, w.Clock.Now().Add(time.Hour))
		w.rows()
		is(t, "accept", w.accept(m{"token": token, "password": password}), "ok") // the sixth last may come again
		rows := w.rows()
		if len(rows) != 4 || !strings.Contains(rows["session.all_revoked"].Metadata, `"reason":"password_reset"`) ||
			rows["identity.password.reset"].Severity != "notice" {
			t.Error(rows)
		}
		state := w.owner.Must(200, "GET", w.at+"/identities/"+id+"/auth-state", nil)
		if state.At("data", "locked") != any(false) || state.At("data", "failed_login_attempts") != 0. {
			t.Error(state.Raw)
		}
		if n := dbtest.Number(t, w.DB, `SELECT count(*) FROM identity_session WHERE ended_at IS NULL`); n != 0 {
			t.Errorf("%d sessions", n)
		}
		// The new one is the present one now.
		_, token = w.inviteAt(w.account+production, "mia@acme.com", nil)
		is(t, "the old one", w.accept(m{"token": token, "password": "five secrets"}), "auth.invalid_credentials")
		is(t, "the new one", w.accept(m{"token": token, "password": password}), "ok")
	})
}

// TestInviteIsJudgedAnew: what has become of the address since the invite was made decides.
func TestInviteIsJudgedAnew(t *testing.T) {
	t.Parallel()
	each(t, nil, func(t *testing.T, w *world) {
		root, role := w.owner.Tree(w.at), w.role()
		_, token := w.invite("mia@acme.com", m{"role_id": role, "node_id": root})
		id := w.memberAt(w.account+production, "mia@acme.com")
		if p := w.preview(token); p.Text("data", "intent") != "add_to_app" {
			t.Error(p.Raw)
		}
		body := joining(token)
		body["password"] = "a new one"
		is(t, "as if new", w.accept(body), "auth.invalid_credentials")
		w.owner.Must(200, "POST", w.at+"/memberships/bulk-attach", m{"identity_ids": []string{id}})
		w.rows()
		is(t, "a member by now", w.accept(joining(token)), "ok")
		rows := w.rows()
		if rows["assignment.created"].Action == "" || rows["identity.env_membership.added"].Action != "" {
			t.Error("a member by now gets the role alone:", rows)
		}

		_, token = w.inviteAt(w.account+production, "noa@acme.com", nil)
		other := w.memberAt(w.at, "noa@acme.com")
		assigned := w.owner.Assign(w.at, other, root, role)
		_ = assigned
		is(t, "into the other one", w.accept(joining(token)), "ok")
		if n := dbtest.Number(t, w.DB, `SELECT count(*) FROM assignment WHERE identity_id = $1`, other); n != 1 {
			t.Errorf("%d assignments", n)
		}
	})
}

// TestAssignmentThatIsThereStays: the same triple is not made again, and nothing of it changes.
func TestAssignmentThatIsThereStays(t *testing.T) {
	t.Parallel()
	each(t, nil, func(t *testing.T, w *world) {
		root, role := w.owner.Tree(w.at), w.role()
		invited, token := w.invite("mia@acme.com", m{"role_id": role, "node_id": root})
		id := w.member("mia@acme.com")
		w.owner.Must(201, "POST", w.at+"/assignments", m{
			"identity_id": id, "node_id": root, "role_id": role, "effective_to": "2999-01-01T00:00:00.000Z",
		})
		is(t, "accept", w.accept(joining(token)), "ok")
		list := w.owner.Must(200, "GET", w.at+"/identities/"+id+"/assignments", nil)
		if list.At("pagination", "item_count") != 1. ||
			list.Text("items", "0", "effective_to") != "2999-01-01T00:00:00.000Z" || w.status(invited) != "accepted" {
			t.Error(list.Raw)
		}
	})
}

// TestRoleThatCannotBeGivenLeavesTheInvite: nothing is made, and once the role fits again the
// link works.
func TestRoleThatCannotBeGivenLeavesTheInvite(t *testing.T) {
	t.Parallel()
	each(t, nil, func(t *testing.T, w *world) {
		root, role := w.owner.Tree(w.at), w.role()
		invited, token := w.invite("dana@acme.com", m{"role_id": role, "node_id": root})
		w.owner.Must(200, "PATCH", w.at+"/roles/"+role, m{"is_active": false})
		is(t, "switched off", w.accept(joining(token)), "invites.assignment_unavailable")
		if n := dbtest.Number(t, w.DB, `SELECT count(*) FROM identity`); n != 0 || w.status(invited) != "pending" {
			t.Errorf("%d identities, the invite is %s", n, w.status(invited))
		}
		w.owner.Must(200, "PATCH", w.at+"/roles/"+role, m{"is_active": true})
		is(t, "switched on", w.accept(joining(token)), "ok")
	})
}

// TestInviteIntoTheDirectory makes the identity and nothing else; names that nobody gave are
// asked for.
func TestInviteIntoTheDirectory(t *testing.T) {
	t.Parallel()
	each(t, nil, func(t *testing.T, w *world) {
		path := w.account + "/identity-invites"
		made := w.owner.Must(201, "POST", path, m{"email": "dana@acme.com"})
		if made.At("data", "client_id") != nil || made.Text("data", "first_name") != "" ||
			strings.Contains(made.Raw, "accept_url") {
			t.Error(made.Raw)
		}
		token := w.MailedToken("dana@acme.com")
		if p := w.preview(token); p.Text("data", "app_name") != "Acme" || p.Text("data", "first_name") != "" {
			t.Error(p.Raw)
		}
		if row := w.inviteOf("dana"); row["environment_id"] != nil || row["delivery"] != "sent" || row["name"] != "" {
			t.Error(row)
		}
		is(t, "without names", w.accept(m{"token": token, "password": password}), "validation")
		is(t, "accept", w.accept(joining(token)), "ok")
		if n := dbtest.Number(t, w.DB, `SELECT count(*) FROM app_membership`); n != 0 {
			t.Errorf("%d places in Applications", n)
		}
		known := w.owner.Must(200, "GET", w.account+"/identities?q=dana", nil)
		if known.At("items", "0", "email_verified") != any(true) {
			t.Error(known.Raw)
		}
		is(t, "again", w.owner.Do("POST", path, m{"email": "dana@acme.com"}), "invites.already_member")

		app := w.owner.Must(200, "GET", w.account+"/applications/desk", nil).Text("data", "id")
		made = w.owner.Must(201, "POST", path, m{"email": "dana@acme.com", "application_id": app})
		if made.Text("data", "client_id") != app || made.Text("data", "intent") != "add_to_app" {
			t.Error(made.Raw)
		}
		is(t, "into the Application",
			w.accept(m{"token": w.MailedToken("dana@acme.com"), "password": password}), "ok")
		w.owner.Must(200, "GET", w.at+"/identities?q=dana", nil)
		if a := w.owner.Must(200, "GET", w.at+"/identities/summary", nil); a.At("data", "total_identities") != 1. {
			t.Error(a.Raw)
		}
		w.owner.Must(201, "POST", path, m{"email": "mia@acme.com"})
		token = w.MailedToken("mia@acme.com")
		w.memberAt(w.account+production, "mia@acme.com")
		is(t, "who is there by now", w.accept(m{"token": token, "password": "wrong"}), "auth.invalid_credentials")
		is(t, "who is there by now", w.accept(m{"token": token, "password": password}), "ok")
		if a := w.owner.Must(200, "GET", w.at+"/identities/summary", nil); a.At("data", "total_identities") != 1. {
			t.Error("the directory has made a member:", a.Raw)
		}
		unknown := m{"email": "kim@acme.com", "application_id": servertest.NoID}
		is(t, "an unknown Application", w.owner.Do("POST", path, unknown), "applications.not_found")
	})
}
