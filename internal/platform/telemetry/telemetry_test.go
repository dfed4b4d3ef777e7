package telemetry

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func read(m *Metrics, change func(from *string, header func(name, value string))) (int, string) {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/metrics", nil)
	r.RemoteAddr = "127.0.0.1:4000"
	if change != nil {
		change(&r.RemoteAddr, r.Header.Set)
	}
	w := httptest.NewRecorder()
	m.Local().ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func sources() Sources {
	return Sources{
		Pool:            func() Pool { return Pool{InUse: 3, Idle: 2, Waited: time.Second} },
		PasswordWaiting: func() int64 { return 7 },
		PasswordDone:    func() int64 { return 41 },
		Outbox:          func(context.Context) (int, time.Duration, error) { return 4, 9 * time.Second, nil },
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	m := New(sources())
	m.Request("POST /v1/auth/login", 429, 3*time.Millisecond)
	m.Mail("user_invite", "retry")
	m.SignIn("auth.invalid_credentials")
	status, body := read(m, nil)
	for _, want := range []string{
		`canopy_http_request_duration_seconds_count{route="POST /v1/auth/login",status="429"} 1`,
		`canopy_mails_total{kind="user_invite",result="retry"} 1`,
		`canopy_sign_ins_total{result="auth.invalid_credentials"} 1`,
		"canopy_database_connections_in_use 3", "canopy_database_connections_idle 2", "canopy_database_wait_seconds 1",
		"canopy_password_hashes_waiting 7", "canopy_password_hashes_total 41", "canopy_outbox_queued 4",
		"canopy_outbox_oldest_seconds 9", "go_goroutines", "process_resident_memory_bytes",
	} {
		if status != 200 || !strings.Contains(body, want) {
			t.Errorf("status %d, and no %q", status, want)
		}
	}
}

// The public listener's metrics are for this machine, and not for a proxy on it.
func TestMetricsStayOnTheMachine(t *testing.T) {
	t.Parallel()
	m := New(sources())
	for _, from := range []string{"10.0.0.9:4000", "[2001:db8::1]:4000", "", "127.0.0.1.evil.example:80"} {
		if status, _ := read(m, func(remote *string, _ func(string, string)) { *remote = from }); status != 404 {
			t.Errorf("from %q: %d", from, status)
		}
	}
	for _, name := range []string{
		"Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip",
	} {
		if status, _ := read(m, func(_ *string, set func(string, string)) { set(name, "127.0.0.1") }); status != 404 {
			t.Errorf("with %s: %d", name, status)
		}
	}
	if status, _ := read(m, func(remote *string, _ func(string, string)) { *remote = "[::1]:4000" }); status != 200 {
		t.Errorf("from ::1: %d", status)
	}
}

// Without a database the other metrics are still told.
func TestMetricsWithoutTheOutbox(t *testing.T) {
	t.Parallel()
	s := sources()
	s.Outbox = func(context.Context) (int, time.Duration, error) { return 0, 0, errors.New("down") }
	status, body := read(New(s), nil)
	if status != 200 || !strings.Contains(body, "canopy_password_hashes_waiting 7") ||
		strings.Contains(body, "canopy_outbox_queued") {
		t.Errorf("status %d: %s", status, body)
	}
}
