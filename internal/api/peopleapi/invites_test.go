package peopleapi_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/server/servertest"
)

// invite is the body of an invite that is not mailed.
func invite(email string) m { return with1(person(email), "send_email", false) }

// invites is the path of a place's invites.
func invites(at string) string { return at + "/identity-invites" }

// TestWhatAnInviteIsAbout: the intent follows from who has the address, and what does not fit
// is refused, before anything is stored.
func TestWhatAnInviteIsAbout(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, account := s.Provoker().Owner()
		in := account + development
		root, role := c.Tree(in), reader(c, in)
		created(c, in, "member@acme.com")
		created(c, account+production, "there@acme.com")
		off := created(c, account+production, "off@acme.com")
		c.Must(200, "POST", account+production+"/identities/"+off+"/deactivate", nil)
		offHere := created(c, in, "offhere@acme.com")
		c.Must(200, "POST", in+"/identities/"+offHere+"/deactivate", nil)
		c.Must(201, "POST", account+"/identities", person("directory@acme.com"))
		none := m{"email": "none@acme.com"}
		for name, x := range map[string]struct {
			body m
			want string
		}{
			"unknown":              {invite("a@acme.com"), "activate"},
			"unknown, activate":    {with1(invite("b@acme.com"), "intent", "activate"), "activate"},
			"unknown, onboard":     {with1(invite("c@acme.com"), "intent", "onboard"), "activate"},
			"unknown, no names":    {none, "validation"},
			"unknown, half a name": {with1(none, "first_name", "No"), "validation"},
			"elsewhere":            {m{"email": "there@acme.com", "intent": "onboard"}, "add_to_app"},
			"in the directory":     {m{"email": "directory@acme.com"}, "add_to_app"},
			"a member":             {invite("member@acme.com"), "invites.already_member"},
			"a member's password":  {m{"email": "member@acme.com", "intent": "password_reset"}, "password_reset"},
			"a stranger's":         {m{"email": "x@acme.com", "intent": "password_reset"}, "identities.not_found"},
			"somebody's elsewhere": {m{"email": "there@acme.com", "intent": "password_reset"}, "identities.not_found"},
			"who is switched off":  {invite("off@acme.com"), "identities.inactive"},
			"a member who is":      {invite("offhere@acme.com"), "identities.inactive"},
			"the password of who is": {
				m{"email": "offhere@acme.com", "intent": "password_reset"}, "identities.inactive",
			},
			"a password and a role": {
				m{"email": "member@acme.com", "intent": "password_reset", "role_id": role, "node_id": root}, "validation",
			},
			"a role alone":           {with1(invite("d@acme.com"), "role_id", role), "validation"},
			"a node alone":           {with1(invite("d@acme.com"), "node_id", root), "validation"},
			"no such role":           {joinedBody(invite("d@acme.com"), roleAt(servertest.NoID, root)), "rbac.role_not_found"},
			"no such node":           {joinedBody(invite("d@acme.com"), roleAt(role, servertest.NoID)), "nodes.node_not_found"},
			"ids that are none":      {joinedBody(invite("d@acme.com"), roleAt("x", "y")), "nodes.node_not_found"},
			"a client":               {with1(invite("d@acme.com"), "client_id", "cnpc_1"), "invites.client_unknown"},
			"an intent that is none": {with1(invite("d@acme.com"), "intent", "add_to_app"), "validation"},
			"a field too many":       {with1(invite("d@acme.com"), "password", "a good password"), "validation"},
			"null for a switch":      {with1(invite("d@acme.com"), "send_email", nil), "validation"},
			"no address":             {invite("d"), "validation"},
			"with a role":            {joinedBody(invite("e@acme.com"), roleAt(role, root)), "activate"},
		} {
			a := c.Do("POST", invites(in), x.body)
			if got := a.Text("data", "intent"); a.Status == 201 && got != x.want || a.Status != 201 && a.Code() != x.want {
				t.Errorf("%s: %s, want %s", name, a.Raw, x.want)
			}
		}
		if n := dbtest.Number(t, s.DB, `SELECT count(*) FROM identity_invite`); n != 7 {
			t.Errorf("%d invites", n)
		}
		sum := c.Must(200, "GET", invites(in)+"/summary", nil)
		if sum.At("data", "pending_count") != 7. || sum.At("data", "pending_with_role_count") != 1. {
			t.Error(sum.Raw)
		}
	})
}

func joinedBody(a, b m) m {
	maps.Copy(a, b)
	return a
}

// TestListsOfInvites: an Environment sees its own, the Account all, and the counts agree with
// the filters.
func TestListsOfInvites(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, account := s.Provoker().Owner()
		in, there := account+development, account+production
		for i, place := range []string{in, in, there, in} {
			c.Must(201, "POST", invites(place), with1(invite(fmt.Sprintf("p%d@acme.com", i)), "last_name", "Straße"))
		}
		c.Must(201, "POST", invites(account), m{"email": "directory@acme.com"})
		first := c.Must(200, "GET", invites(in)+"?q=p0", nil).Text("items", "0", "id")
		c.Must(204, "DELETE", invites(in)+"/"+first, nil)
		dbtest.Exec(t, s.DB, `UPDATE identity_invite SET expires_at = created_at + 1 WHERE email = 'p1@acme.com'`)
		id := func(at string) string { return c.Must(200, "GET", at, nil).Text("data", "id") }
		here, elsewhere := id(in), id(there)
		for query, want := range map[string]string{
			"?sort_by=email":                             "p0 p1 p3 of 3",
			"?sort_by=email&order=desc&take=2":           "p3 p1 of 3",
			"?sort_by=email&take=2&page=2":               "p3 of 3",
			"?sort_by=email&take=2&page=3":               " of 3",
			"?sort_by=created_at&order=asc":              "p0 p1 p3 of 3",
			"?sort_by=name&order=asc":                    "p0 p1 p3 of 3",
			"?sort_by=expires_at&order=asc":              "p1 p0 p3 of 3",
			"?q=STRASSE&sort_by=email":                   "p0 p1 p3 of 3",
			"?q=p3@":                                     "p3 of 1",
			"?status=pending":                            "p3 of 1",
			"?status=expired":                            "p1 of 1",
			"?status=revoked":                            "p0 of 1",
			"?status=accepted":                           " of 0",
			"?environment_id=" + here + "&sort_by=email": "p0 p1 p3 of 3",
			"?environment_id=" + elsewhere:               " of 0",
			"?environment_id=none":                       " of 0",
			"?environment_id=" + servertest.NoID:         " of 0",
		} {
			if got := emails(c.Must(200, "GET", invites(in)+query, nil)); got != want {
				t.Errorf("Environment, %s: %s, want %s", query, got, want)
			}
		}
		for query, want := range map[string]string{
			"?sort_by=email":                             "directory p0 p1 p2 p3 of 5",
			"?sort_by=email&take=2&page=2":               "p1 p2 of 5",
			"?sort_by=name&order=asc&take=1":             "directory of 5",
			"?environment_id=" + here + "&sort_by=email": "p0 p1 p3 of 3",
			"?environment_id=" + elsewhere:               "p2 of 1",
			"?environment_id=none":                       "directory of 1",
			"?environment_id=" + servertest.NoID:         " of 0",
			"?status=pending&sort_by=email":              "directory p2 p3 of 3",
		} {
			if got := emails(c.Must(200, "GET", invites(account)+query, nil)); got != want {
				t.Errorf("Account, %s: %s, want %s", query, got, want)
			}
		}
		for _, bad := range []string{"?environment_id=x", "?status=open", "?sort_by=status"} {
			if a := c.Do("GET", invites(account)+bad, nil); a.Code() != "validation" {
				t.Errorf("%s: %s", bad, a.Raw)
			}
		}
		for at, want := range map[string][2]int{in: {3, 1}, account: {5, 3}} {
			a := c.Must(200, "GET", invites(at)+"/summary", nil)
			counts := `{"data":{"total_invites":%d,"pending_count":%d,"pending_with_role_count":0,"accepted_count":0,` +
				`"expired_count":1,"revoked_count":1}}`
			if a.Raw != fmt.Sprintf(counts, want[0], want[1]) {
				t.Errorf("%s: %s", at, a.Raw)
			}
		}
	})
}

// TestWhoGivesARoleByInvite: identity.manage alone does not, in one call or in a row of many.
func TestWhoGivesARoleByInvite(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, account := s.Provoker().Owner()
		in := account + development
		root, role := c.Tree(in), reader(c, in)
		manages := c.Key(in, "identity.manage")
		gives := c.Key(in, "identity.manage", "rbac.manage_assignments")
		withRole := func(email string) m { return joinedBody(invite(email), roleAt(role, root)) }
		a := with(s, manages, "POST", "/identity-invites", withRole("a@acme.com"))
		if a.Status != 403 || a.Code() != "auth.permission_denied" {
			t.Error(a.Raw)
		}
		rows := m{"invites": []m{withRole("b@acme.com"), invite("c@acme.com")}}
		a = with(s, manages, "POST", "/identity-invites/bulk-create", rows)
		if a.Status != 207 || a.At("results", "0", "error", "code") != "auth.permission_denied" ||
			a.At("results", "0", "code") != 403. || a.At("results", "1", "status") != "success" {
			t.Error(a.Raw)
		}
		if a = with(s, gives, "POST", "/identity-invites", withRole("a@acme.com")); a.Status != 201 {
			t.Error(a.Raw)
		}
		n := dbtest.Number(t, s.DB, `SELECT count(*) FROM audit_event WHERE action = 'authorization.denied'`)
		if n != 1 { // at most one a minute
			t.Errorf("%d rows of refusals", n)
		}
		by := dbtest.Number(t, s.DB, `SELECT count(*) FROM identity_invite v JOIN api_key k ON k.id = v.invited_by
			WHERE v.inviter_kind = 'api_key'`)
		if by != 2 {
			t.Errorf("%d invites by keys", by)
		}
	})
}

// TestManyInvites: rows are independent, the second of an address meets the first, and a try
// stores, mails and counts nothing.
func TestManyInvites(t *testing.T) {
	t.Parallel()
	limits := func(c *config.Settings) { c.RateLimits = "invite_mail=2/24h,mail_recipient=10/24h" }
	servertest.Each(t, limits, func(t *testing.T, s *servertest.Server) {
		c, account := s.Provoker().Owner()
		in := account + development
		created(c, in, "member@acme.com")
		rows := []m{
			person("a@acme.com"), person("A@acme.com "), person("member@acme.com"),
			{"email": "x", "client_id": 1},
			{"email": "nameless@acme.com"},
			person("b@acme.com"), person("c@acme.com"), invite("d@acme.com"),
		}
		codes := func(a servertest.Answer) string {
			var list []string
			for _, r := range a.At("results").([]any) {
				row := r.(m)
				if e, failed := row["error"].(m); failed {
					list = append(list, e["code"].(string))
					continue
				}
				list = append(list, row["data"].(m)["intent"].(string))
			}
			return strings.Join(list, " ")
		}
		want := "activate invites.already_pending invites.already_member validation validation activate %s activate"
		tried := c.Must(207, "POST", invites(in)+"/bulk-create", m{"invites": rows, "dry_run": true})
		if got := codes(tried); got != fmt.Sprintf(want, "activate") || strings.Contains(tried.Raw, "accept_url") {
			t.Error(tried.Raw)
		}
		if n := dbtest.Number(t, s.DB, `SELECT count(*) FROM identity_invite`); n != 0 {
			t.Errorf("a try has stored %d", n)
		}
		n := dbtest.Number(t, s.DB, `SELECT count(*) FROM audit_event WHERE action = 'invite.created'`)
		if n += dbtest.Number(t, s.DB, `SELECT count(*) FROM rate_count WHERE name = 'invite_mail'`); n != 0 {
			t.Error("a try was counted or recorded")
		}
		done := c.Must(207, "POST", invites(in)+"/bulk-create", m{"invites": rows})
		if got := codes(done); got != fmt.Sprintf(want, "rate_limit.exceeded") {
			t.Error(done.Raw)
		}
		s.Deliver()
		var mailed []string
		for _, mail := range s.Mail.Messages() {
			if strings.Contains(mail.Text, "/app/identity/accept-invite#token=") {
				mailed = append(mailed, mail.To)
			}
		}
		stored := dbtest.Number(t, s.DB, `SELECT count(*) FROM identity_invite`)
		slices.Sort(mailed)
		if !slices.Equal(mailed, []string{"a@acme.com", "b@acme.com"}) || stored != 3 {
			t.Errorf("mailed to %s, %d stored", mailed, stored)
		}
		nobody := c.Must(207, "POST", invites(in)+"/bulk-create", m{"invites": []m{{"email": "x"}}})
		if nobody.Header.Get("Canopy-Revision") == "" {
			t.Error("without a good row the answer has no revision")
		}
		for what, body := range map[string]any{
			"201 rows": m{"invites": make([]m, 201)}, "no row": m{"invites": []m{}}, "none": m{}, "no list": m{"invites": m{}},
		} {
			if a := c.Do("POST", invites(in)+"/bulk-create", body); a.Status != 400 || a.Code() != "validation" {
				t.Errorf("%s: %s", what, a.Raw)
			}
		}
	})
}

// TestMailOfInvites: what is not mailed stays so, a limit refuses all of a call, and the list
// tells how the mail fares.
func TestMailOfInvites(t *testing.T) {
	t.Parallel()
	limits := func(c *config.Settings) { c.RateLimits = "mail_recipient=2/24h" }
	servertest.Each(t, limits, func(t *testing.T, s *servertest.Server) {
		c, account := s.Provoker().Owner()
		in := account + development
		row := func(email string) m {
			return c.Must(200, "GET", invites(in)+"?q="+email, nil).At("items").([]any)[0].(m)
		}
		later := func() { dbtest.Exec(t, s.DB, `UPDATE identity_invite SET asked_at = asked_at - 600000000`) }
		silent := c.Must(201, "POST", invites(in), invite("silent@acme.com")).Text("data", "id")
		if a := c.Do("POST", invites(in)+"/"+silent+"/resend", nil); a.Code() != "invites.resend_cooldown" ||
			a.Header.Get("Retry-After") == "" {
			t.Error(a.Raw)
		}
		// A clock that was set back makes nobody wait longer.
		dbtest.Exec(t, s.DB, `UPDATE identity_invite SET asked_at = asked_at + 3600000000`)
		if a := c.Do("POST", invites(in)+"/"+silent+"/resend", nil); a.Header.Get("Retry-After") != "300" {
			t.Error(a.Header)
		}
		later()
		c.Must(200, "POST", invites(in)+"/"+silent+"/resend", nil)
		s.Deliver()
		if r := row("silent"); r["delivery"] != "none" || r["send_count"] != 0. || r["last_sent_at"] != nil {
			t.Error(r)
		}
		for _, mail := range s.Mail.Messages() {
			if mail.To == "silent@acme.com" {
				t.Error("a mail went out:", mail.Text)
			}
		}
		mailed := c.Must(201, "POST", invites(in), person("mailed@acme.com")).Text("data", "id")
		if r := row("mailed"); r["delivery"] != "queued" || r["send_count"] != 1. {
			t.Error(r)
		}
		s.Deliver()
		if r := row("mailed"); r["delivery"] != "sent" || r["last_sent_at"] == nil {
			t.Error(r)
		}
		later()
		c.Must(200, "POST", invites(in)+"/"+mailed+"/resend", nil)
		last := s.MailedToken("mailed@acme.com")
		later()
		a := c.Do("POST", invites(in)+"/"+mailed+"/resend", nil)
		if a.Status != 429 || a.Code() != "rate_limit.exceeded" {
			t.Error(a.Raw)
		}
		if r := row("mailed"); r["send_count"] != 2. || r["delivery"] != "sent" {
			t.Error(r)
		}
		s.Client().Must(200, "POST", "/v1/identity/auth/invite-info", m{"token": last})
		c.Must(204, "DELETE", invites(in)+"/"+mailed, nil)
		if a := c.Do("POST", invites(in), person("mailed@acme.com")); a.Code() != "rate_limit.exceeded" {
			t.Error("revoking has reset a counter:", a.Raw)
		}
		if n := dbtest.Number(t, s.DB, `SELECT count(*) FROM identity_invite`); n != 2 {
			t.Errorf("%d invites", n)
		}
	})
}

// TestKeysSeeInvitesOfTheirEnvironment: those into another one are answered like none, on every
// verb, and stay as they are.
func TestKeysSeeInvitesOfTheirEnvironment(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, account := s.Provoker().Owner()
		key := c.Key(account + development)
		elsewhere := c.Must(201, "POST", invites(account+production), invite("dana@acme.com")).Text("data", "id")
		directory := c.Must(201, "POST", invites(account), m{"email": "kim@acme.com"}).Text("data", "id")
		dbtest.Exec(t, s.DB, `UPDATE identity_invite SET asked_at = asked_at - 600000000`)
		for _, call := range [][2]string{{"GET", ""}, {"POST", "/resend"}, {"DELETE", ""}} {
			ask := func(id string) servertest.Answer {
				a := with(s, key, call[0], "/identity-invites/"+id+call[1], nil)
				if e, is := a.At("error").(m); is {
					delete(e, "timestamp")
					delete(e, "path")
				}
				return a
			}
			unknown := ask(servertest.NoID)
			for _, id := range []string{elsewhere, directory} {
				a := ask(id)
				if a.Code() != "invites.not_found" || !cmp.Equal(unknown.Body, a.Body) {
					t.Errorf("%s: %s", call, a.Raw)
				}
			}
		}
		n := dbtest.Number(t, s.DB, `SELECT count(*) FROM identity_invite WHERE status = 'pending' AND send_count < 2`)
		if n != 2 {
			t.Error("something has changed")
		}
		if got := emails(with(s, key, "GET", "/identity-invites", nil)); got != " of 0" {
			t.Error(got)
		}
	})
}
