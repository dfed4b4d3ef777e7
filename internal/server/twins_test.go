package server_test

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/events/eventtest"
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/server/servertest"
)

// beyondContract are calls of operations with two doors that the contract does not have.
var beyondContract = map[string]map[int]produce{
	"GET /api/v1/nodes/search": {200: ofThing("GET", fixed("/nodes/search?q=north"), nil)},
	"POST /api/v1/memberships/bulk-attach": {
		200: func(g *ground) answer {
			who := g.identity()
			g.call("DELETE", "/identities/"+who, nil)
			return g.call("POST", "/memberships/bulk-attach", m{"identity_ids": []string{who}})
		},
		207: func(g *ground) answer {
			return g.call("POST", "/memberships/bulk-attach", m{"identity_ids": []string{g.identity()}})
		},
	},
	"POST /api/v1/permissions/accessible-nodes": {
		200: ofAsking(func(a asking) answer {
			body := m{"identity_id": a.who, "permission": "lease.read", "limit": 1}
			return a.call("POST", "/permissions/accessible-nodes", body)
		}),
		400: ofAsking(func(a asking) answer {
			body := m{"identity_id": a.who, "permission": "lease.read", "cursor": "elsewhere"}
			return a.call("POST", "/permissions/accessible-nodes", body)
		}),
	},
	"POST /api/v1/permissions/who-can": {
		200: ofAsking(func(a asking) answer {
			return a.call("POST", "/permissions/who-can", m{"permission": "lease.read", "node_id": a.node})
		}),
		400: ofAsking(func(a asking) answer {
			body := m{"permission": "lease.read", "node_id": a.node, "limit": 201}
			return a.call("POST", "/permissions/who-can", body)
		}),
	},
	"GET /api/v1/identity-invites/{id}": {200: ofThing("GET", ofInvite(""), nil)},
}

// bodiless are writes that take no body.
var bodiless = []string{
	"rotateApiKey", "activateIdentity", "deactivateIdentity", "revokeIdentitySessions", "requestIdentityPasswordReset",
	"verifyIdentityEmail", "resetIdentityMfa", "resendIdentityInvite", "testWebhook", "retryWebhookDelivery",
}

// publicOnly are operations in whose place the portal has others, of a whole Account.
var publicOnly = map[string]bool{
	"listAuditEvents": true, "getAuditEvent": true,
	"createAuditExport": true, "listAuditExports": true, "getAuditExport": true, "deleteAuditExport": true,
}

// apart is what answers differ in on purpose: by the door, or since cursors are of one
// Environment.
var apart = map[string]*regexp.Regexp{
	"GET /api/v1/changes":                       regexp.MustCompile(`"next_cursor":"[^"]*"`),
	"POST /api/v1/identity-invites/{id}/resend": regexp.MustCompile(`,"accept_url":"[^"]*"|"accept_url":"[^"]*",`),
}

// TestTwinsAreAlike calls every operation that has two doors through both, in Environments
// that are alike, with everything that the contract documents and with a body that is none:
// answers, headers and audit rows are the same, but for ids and times.
func TestTwinsAreAlike(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		p := s.Provoker()
		twins := 0
		for _, op := range publicTwins(t, s.Router.Operations()) {
			twins++
			name := op.Method + " " + op.Path
			calls := map[string]produce{}
			if op.Method != http.MethodGet && op.Method != http.MethodDelete && !slices.Contains(bodiless, op.ID) {
				calls["a body that is none"] = ofThing(op.Method, fixed(idless(op.Path)), "[]")
			}
			for status, of := range cellsOf(name) {
				calls[strconv.Itoa(status)] = of
			}
			if len(cellsOf(name)) == 0 {
				t.Errorf("%s: no call of it succeeds", name)
			}
			for _, what := range slices.Sorted(maps.Keys(calls)) {
				public, portal := told(t, s, p, byPublic, calls[what]), told(t, s, p, byPortal, calls[what])
				if more := apart[name]; more != nil {
					public.Body, portal.Body = more.ReplaceAllString(public.Body, ""), more.ReplaceAllString(portal.Body, "")
				}
				if diff := cmp.Diff(public, portal); diff != "" {
					t.Errorf("%s, %s (-public +portal):\n%s", name, what, diff)
				}
			}
		}
		if twins < 31 {
			t.Errorf("only %d operations have two doors", twins)
		}
	})
}

// publicTwins are the operations of the public API; each has its twin in the portal, and
// both say the same of what they need.
func publicTwins(t *testing.T, all []wire.Operation) (list []wire.Operation) {
	t.Helper()
	byID := map[string]wire.Operation{}
	for _, op := range all {
		byID[op.ID] = op
	}
	for _, op := range all {
		if !strings.HasPrefix(op.Path, "/api/v1/") {
			continue
		}
		if publicOnly[op.ID] {
			continue
		}
		twin, is := byID[op.ID+"InPortal"]
		if !is || twin.Needs != op.Needs || twin.Method != op.Method || twin.Status != op.Status ||
			!strings.HasSuffix(twin.Path, strings.TrimPrefix(op.Path, "/api/v1")) {
			t.Errorf("%s has no twin", op.ID)
			continue
		}
		list = append(list, op)
	}
	return list
}

func idless(path string) string {
	return strings.Replace(strings.TrimPrefix(path, "/api/v1"), "{id}", servertest.NoID, 1)
}

// cellsOf are the calls of an operation that differ by what is asked, not by who asks.
func cellsOf(op string) map[int]produce {
	cells := maps.Clone(contractCells[op])
	if cells == nil {
		cells = maps.Clone(beyondContract[op])
	}
	if strings.Contains(op, "{id}") && cells != nil {
		cells[http.StatusNotFound] = cell(op, http.StatusNotFound)
	}
	return cells
}

// outcome is what a call is told and leaves behind, without ids, times and slugs.
type outcome struct {
	Status  int
	Headers map[string]string
	Body    string
	Rows    []string
}

func told(t *testing.T, s *servertest.Server, p provoker, through door, call produce) outcome {
	t.Helper()
	g := newGround(t, s, p)
	g.door = through
	_ = eventtest.Take(t, s.DB)
	a := call(g)
	o := outcome{Status: a.Status, Headers: map[string]string{}}
	for _, name := range []string{"ETag", "Canopy-Revision", "Content-Type", "Cache-Control", "Vary", "Retry-After"} {
		if v := a.Header.Get(name); v != "" && (name != "ETag" || len(v) < 10) { // versions, not validators
			o.Headers[name] = v
		}
	}
	o.Body = anonymous(strings.ReplaceAll(a.Raw, g.at, "/api/v1"))
	for _, row := range eventtest.Take(t, s.DB) {
		o.Rows = append(o.Rows, strings.Join([]string{
			row.Action, row.Category, row.Outcome, row.Severity, row.ActorType, row.ResourceType, row.ResourceLabel,
			anonymous(row.Metadata),
		}, " "))
	}
	slices.Sort(o.Rows)
	return o
}

var (
	anyID      = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	anyInstant = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`)
	anyKey     = regexp.MustCompile(`cnpy_[0-9a-f]+|whsec_[A-Za-z0-9+/=]+|#token=[A-Za-z0-9_-]{43}`)
)

// anonymous replaces ids by the order in which they come, instants, keys and links by a word.
func anonymous(text string) string {
	seen := map[string]string{}
	text = anyID.ReplaceAllStringFunc(text, func(id string) string {
		if seen[id] == "" {
			seen[id] = "id" + strconv.Itoa(len(seen))
		}
		return seen[id]
	})
	return anyKey.ReplaceAllString(anyInstant.ReplaceAllString(text, "instant"), "key")
}
