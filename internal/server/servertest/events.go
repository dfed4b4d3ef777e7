package servertest

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/server"
)

// asked are the requests of a test, with the events that their operations say
// they record.
type asked struct {
	mu      sync.Mutex
	allowed map[string][]string // by request id
}

func (q *asked) note(requestID string, events []string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.allowed == nil {
		q.allowed = map[string][]string{}
	}
	q.allowed[requestID] = events
}

// events are what the operation of a request says it records.
func (c *contract) events(r *http.Request) []string {
	_, pattern := c.mux.Handler(r)
	method, path, found := strings.Cut(pattern, " ")
	if !found {
		return nil
	}
	list, _ := c.doc.Paths.Value(path).GetOperation(method).Extensions["x-events"].([]any)
	var names []string
	for _, name := range list {
		names = append(names, name.(string))
	}
	return names
}

// holdEvents tells of rows of the audit log that no operation has announced: each
// row of a request is one of its operation's, every other one is in the
// catalogue. A store that a test has broken is not asked.
func (q *asked) holdEvents(t testing.TB, db *database.DB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	rows, err := db.Pool().QueryContext(ctx, `SELECT DISTINCT COALESCE(correlation_id, ''), action FROM audit_event`)
	if err != nil {
		t.Logf("the events of this test were not looked at: %v", err)
		return
	}
	defer rows.Close()
	q.mu.Lock()
	defer q.mu.Unlock()
	var catalogue []string
	for _, e := range server.Events() {
		catalogue = append(catalogue, e.Action)
	}
	for rows.Next() {
		var requestID, action string
		if err := rows.Scan(&requestID, &action); err != nil {
			t.Error(err)
			return
		}
		if !slices.Contains(catalogue, action) {
			t.Errorf("%s was recorded and is not in the catalogue of events", action)
		}
		if allowed, ours := q.allowed[requestID]; ours && !slices.Contains(allowed, action) {
			t.Errorf("%s was recorded by an operation that announces only %v", action, allowed)
		}
	}
	if err := rows.Err(); err != nil {
		t.Logf("not all events of this test were looked at: %v", err)
	}
}
