package server_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/server/servertest"
)

// fuzzed sends a body to a server without a network between.
func fuzzed(t *testing.T, s *servertest.Server, method, path, bearer, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	r.Host = "localhost"
	r.Header.Set("Content-Type", "application/json")
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	w := httptest.NewRecorder()
	s.Router.ServeHTTP(w, r)
	return w
}

// FuzzInviteBody: whatever the body, the answer is an invite or a refusal in our
// envelope, never a failure of ours; and what was kept is what the rules allow.
func FuzzInviteBody(f *testing.F) {
	for _, seed := range []string{
		`{"email":"d@acme.com","first_name":"D","last_name":"C"}`,
		`{"email":"d@acme.com","first_name":"D","last_name":"C","role":"owner"}`,
		`{"email":"d@acme.com","email":"e@acme.com"}`,
		`{"email":"` + "\xff" + `"}`,
		`{"email":"d@acme.com","first_name":"\u202e","last_name":"\r\nBcc: x@y.z"}`,
		`[]`, `null`, `{`, ``,
		`{"email":{"a":[[[[[[]]]]]]}}`,
		`{"email":1e999,"first_name":null,"last_name":true}`,
		strings.Repeat(`[`, 5000),
		`{"email":"\ud800@acme.com","first_name":"D","last_name":"C"}`,
	} {
		f.Add(seed)
	}
	s := servertest.New(f, database.SQLite, nil)
	alex, slug := s.SignUp("alex@acme.com", "Acme")
	f.Fuzz(func(t *testing.T, body string) {
		w := fuzzed(t, s, http.MethodPost, servertest.Invites(slug), alex.Token, body)
		var answer m
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatalf("%d %s: %v", w.Code, w.Body, err)
		}
		switch w.Code {
		case http.StatusCreated:
			data := answer["data"].(m)
			name := data["first_name"].(string) + data["last_name"].(string)
			email := data["email"].(string)
			if email != strings.ToLower(email) || strings.ContainsAny(email+name, "\r\n\x00\u202e") {
				t.Errorf("kept: %s", w.Body)
			}
		case http.StatusBadRequest, http.StatusConflict, http.StatusRequestEntityTooLarge:
			if e := answer["error"].(m); e["code"] == nil {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		default:
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

// FuzzMailedToken: nothing but the mailed token opens what it opens.
func FuzzMailedToken(f *testing.F) {
	s := servertest.New(f, database.SQLite, nil)
	alex, slug := s.SignUp("alex@acme.com", "Acme")
	alex.Must(201, "POST", servertest.Invites(slug), servertest.Invitation("dana@acme.com"))
	live := s.MailedToken("dana@acme.com")
	for _, seed := range []string{
		live, live[:42], live + "A", strings.ToLower(live), "", " ", "%00", "\x00", alex.Token,
		strings.Repeat("A", 43), strings.Repeat("A", 70000),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		body, err := json.Marshal(m{"token": token})
		if err != nil {
			return // no UTF-8, so it can't be sent as JSON
		}
		want := http.StatusNotFound
		switch {
		case token == live:
			want = http.StatusOK
		case len(body) > int(wire.BodyAnonymous):
			want = http.StatusRequestEntityTooLarge
		}
		w := fuzzed(t, s, http.MethodPost, "/v1/auth/invite-info", "", string(body))
		if w.Code != want && (w.Code != http.StatusBadRequest || token == live) {
			t.Errorf("%q: %d %s", token, w.Code, w.Body)
		}
	})
}

// FuzzBearer: nothing but an access token of ours is one.
func FuzzBearer(f *testing.F) {
	s := servertest.New(f, database.SQLite, nil)
	alex, slug := s.SignUp("alex@acme.com", "Acme")
	parts := strings.Split(alex.Token, ".")
	for _, seed := range []string{
		alex.Token, "", "x.y.z", parts[0] + ".." + parts[2], "eyJhbGciOiJub25lIn0." + parts[1] + ".",
		parts[0] + "." + parts[1] + ".AAAA", "e30.e30.e30", strings.Repeat(".", 9000),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if token == alex.Token || strings.ContainsAny(token, "\r\n") {
			return
		}
		if w := fuzzed(t, s, http.MethodPost, servertest.Invites(slug), token, `{}`); w.Code != http.StatusUnauthorized {
			t.Errorf("%q: %d %s", token, w.Code, w.Body)
		}
	})
}
