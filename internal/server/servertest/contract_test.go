package servertest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestContract: what the document does not promise is told.
func TestContract(t *testing.T) {
	t.Parallel()
	document, err := ours()
	if err != nil {
		t.Fatal(err)
	}
	refusal := func(code string) string {
		return `{"error":{"statusCode":401,"code":"` + code + `",` +
			`"message":"m","timestamp":"2026-04-21T09:15:00.000Z","path":"/","method":"GET"}}`
	}
	const health, logout = `{"status":"ok"}`, "/v1/auth/logout"
	for _, c := range []struct {
		method, path string
		status       int
		body, want   string
	}{
		{"GET", "/healthz", 200, health, ""},
		{"GET", "/healthz", 201, health, "status 201 is not one of"},
		{"GET", "/healthz", 200, `{}`, "missing property"},
		{"GET", "/healthz", 200, `{"status":7}`, "got number"},
		{"GET", "/healthz", 200, `{"status":"ok","more":1}`, "additional properties"},
		{"POST", logout, 401, refusal("auth.invalid_token"), ""},
		{"POST", logout, 401, refusal("no.such"), "no.such is not one of"},
		{"GET", "/nowhere", 404, refusal(""), ""},
		{"GET", "/nowhere", 404, strings.Replace(refusal(""), "T09", " 09", 1), "not valid date-time"},
		{"GET", "/nowhere", 404, `{"error":{"statusCode":404}}`, "missing properties"},
	} {
		a, err := newAnswer(c.status, http.Header{"Content-Type": {"application/json"}}, c.body)
		if err != nil {
			t.Fatal(err)
		}
		err = document.hold(httptest.NewRequestWithContext(t.Context(), c.method, c.path, nil), a)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s %d %s: %v, want %q", c.method, c.path, c.status, c.body, err, c.want)
		}
	}
}
