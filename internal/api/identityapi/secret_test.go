package identityapi_test

import (
	"strings"
	"testing"

	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// TestTheLinkIsShownOnce: what creates and what resends shows it to the caller of the public
// API; no row, list, log line, event or other answer ever holds a token.
func TestTheLinkIsShownOnce(t *testing.T) {
	t.Parallel()
	each(t, nil, func(t *testing.T, w *world) {
		key := w.owner.Key(w.at)
		byKey := func(status int, method, path string, body any) answer {
			header := []string{"X-API-Key", key, "Idempotency-Key", path + "k"}
			return w.Client().Must(status, method, "/api/v1/identity-invites"+path, body, header...)
		}
		made := byKey(201, "POST", "", invitation("dana@acme.com", m{"send_email": true}))
		id, first := made.Text("data", "id"), tokenOf(t, made)
		if first != w.MailedToken("dana@acme.com") {
			t.Error("the mail has another link")
		}
		bulk := byKey(200, "POST", "/bulk-create", m{"invites": []m{invitation("kim@acme.com", nil)}})
		_, ofBulk, _ := strings.Cut(bulk.Text("results", "0", "data", "accept_url"), "#token=")
		dbtest.Exec(t, w.DB, `UPDATE identity_invite SET asked_at = asked_at - 600000000`)
		resent := byKey(200, "POST", "/"+id+"/resend", nil)
		second := tokenOf(t, resent)
		if resent.Text("data", "message") != "Invite resent" || second == first {
			t.Error(resent.Raw)
		}
		is(t, "the link before", w.preview(first), "invites.not_found")
		is(t, "the link before", w.accept(joining(first)), "invites.not_found")
		if w.MailedToken("dana@acme.com") != second {
			t.Error("the new link was not mailed")
		}
		_, portal := w.invite("lea@acme.com", nil)
		dbtest.Exec(t, w.DB, `UPDATE identity_invite SET asked_at = asked_at - 600000000`)
		mute := w.owner.Must(200, "POST", w.at+"/identity-invites/"+w.inviteOf("lea")["id"].(string)+"/resend", nil)
		if mute.Raw != `{"data":{"message":"Invite resent"}}` {
			t.Error(mute.Raw)
		}
		is(t, "the link before", w.preview(portal), "invites.not_found")

		w.Deliver()
		var walked strings.Builder
		for _, path := range []string{"/identity-invites", "/identity-invites/" + id, "/identity-invites/summary"} {
			walked.WriteString(w.owner.Must(200, "GET", w.at+path, nil).Raw)
			walked.WriteString(w.Client().Must(200, "GET", "/api/v1"+path, nil, "X-API-Key", key).Raw)
		}
		walked.WriteString(w.owner.Must(200, "GET", w.account+"/identity-invites", nil).Raw)
		walk := walked.String()
		for _, token := range []string{first, second, ofBulk, portal} {
			if len(token) != 43 {
				t.Fatalf("%q is no token", token)
			}
			for _, where := range w.Found(token) {
				t.Errorf("a token lies in %s", where)
			}
			if strings.Contains(walk, token) || strings.Contains(w.Log.String(), token) {
				t.Error("a token stands in an answer or in the log")
			}
		}
		if strings.Contains(walk, "accept_url") || strings.Contains(walk, "token") {
			t.Error(walk)
		}
		is(t, "accept", w.accept(joining(second)), "ok")
		for _, where := range w.Found(password) {
			t.Errorf("a password lies in %s", where)
		}
	})
}
