package telemetry

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"
)

func read(m *Metrics) (int, string) {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/metrics", nil)
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func sources() Sources {
	return Sources{
		Version:         "1.2.3",
		Pool:            func() Pool { return Pool{InUse: 3, Idle: 2, Waited: time.Second} },
		PasswordWaiting: func() int64 { return 7 },
		PasswordDone:    func() int64 { return 41 },
		Decided:         func() (written, dropped uint64) { return 12, 5 },
		Decisions: func() Decisions {
			return Decisions{Bytes: 5, Environments: 6, Oldest: 1500 * time.Millisecond, Loads: 8, Proofs: 12}
		},
		Outbox:  func(context.Context) (int, time.Duration, error) { return 4, 9 * time.Second, nil },
		Backups: func() Backups { return Backups{Last: time.Unix(1790000000, 0), Made: 15, Failed: 16} },
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	m := New(sources())
	m.Request("POST /v1/auth/login", 429, 3*time.Millisecond)
	m.Mail("user_invite", "retry")
	m.SignIn("auth.invalid_credentials")
	status, body := read(m)
	for _, want := range []string{
		`canopy_http_request_duration_seconds_count{route="POST /v1/auth/login",status="429"} 1`,
		`canopy_mails_total{kind="user_invite",result="retry"} 1`,
		`canopy_sign_ins_total{result="auth.invalid_credentials"} 1`,
		"canopy_database_connections_in_use 3", "canopy_database_connections_idle 2", "canopy_database_wait_seconds_total 1",
		"canopy_password_hashes_waiting 7", "canopy_password_hashes_total 41", "canopy_outbox_queued 4",
		"canopy_decision_log_lines_total 12", "canopy_decision_log_dropped_total 5",
		"canopy_outbox_oldest_seconds 9", "canopy_decision_memory_bytes 5", "canopy_decision_environments 6",
		"canopy_decision_age_seconds 1.5", "canopy_decision_loads_total 8", "canopy_decision_proofs_total 12",
		"canopy_backup_last_success_timestamp_seconds 1.79e+09",
		"canopy_backups_total 15", "canopy_backup_failures_total 16",
		`canopy_build_info{goversion="` + runtime.Version() + `",version="1.2.3"} 1`,
		"go_goroutines", "process_resident_memory_bytes",
	} {
		if status != 200 || !strings.Contains(body, want) {
			t.Errorf("status %d, and no %q", status, want)
		}
	}
}

// Without a database the other metrics are still told.
func TestMetricsWithoutTheOutbox(t *testing.T) {
	t.Parallel()
	s := sources()
	s.Outbox = func(context.Context) (int, time.Duration, error) { return 0, 0, errors.New("down") }
	status, body := read(New(s))
	if status != 200 || !strings.Contains(body, "canopy_password_hashes_waiting 7") ||
		strings.Contains(body, "canopy_outbox_queued") {
		t.Errorf("status %d: %s", status, body)
	}
}
