package authzenapi_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/server/servertest"
)

func allowed(node any, scope string) m {
	return m{"decision": true, "context": m{
		"scope_evaluated": scope, "effective_node_id": node, "granting_roles": []any{"Reader"},
	}}
}

func denied(node any, reason string) m {
	return m{"decision": false, "context": m{
		"scope_evaluated": "node", "effective_node_id": node, "denial_reason": reason,
	}}
}

func refused(message string) m {
	return m{"decision": false, "context": m{"error": m{"status": 400., "message": message}}}
}

// TestEvaluation: a question in the words of the standard gets the product's answer, and what
// nobody knows is ignored.
func TestEvaluation(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		for what, c := range map[string]struct{ body, want m }{
			"at a node":            {w.asking(), allowed(w.first, "node")},
			"as a user":            {w.asking("subject", m{"type": "user", "id": w.ann}), allowed(w.first, "node")},
			"of any type":          {w.asking("resource", m{"type": "building", "id": w.first}), allowed(w.first, "node")},
			"above":                {w.asking("resource", at(w.root)), denied(w.root, "no_assignment")},
			"anywhere":             {w.asking("resource", anywhere()), allowed(nil, "app_wide")},
			"anywhere, with an id": {w.asking("resource", m{"type": "application", "id": 7}), allowed(nil, "app_wide")},
			"another action":       {w.asking("action", action("lease.sign")), denied(w.first, "permission_not_granted")},
			"nobody":               {w.asking("subject", subject("nobody")), denied(w.first, "identity_not_found")},
			"nowhere":              {w.asking("resource", at("nowhere")), denied("nowhere", "node_not_found")},
			"with more": {w.asking(
				"context", m{"time": "now", "deep": []any{1, nil}}, "trace", true,
				"subject", m{"type": "identity", "id": w.ann, "properties": m{"department": "x"}, "more": nil},
				"action", m{"name": "lease.read", "properties": m{"method": "GET"}},
				"resource", m{"type": "node", "id": w.first, "properties": 5},
			), allowed(w.first, "node")},
		} {
			a := w.Do("POST", evaluation, c.body)
			if diff := cmp.Diff(any(c.want), a.At()); a.Status != 200 || diff != "" {
				t.Errorf("%s: %d %s\n%s", what, a.Status, a.Raw, diff)
			}
			if a.Header.Get("Canopy-Revision") == "" || a.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%s: %v", what, a.Header)
			}
		}
	})
}

// malformed are bodies that are no question, with what is told of them.
func (w *world) malformed() map[string]m {
	long := strings.Repeat("é", 256)
	return map[string]m{
		"subject is required":                       w.asking("subject", nothing),
		"subject must be an object":                 w.asking("subject", w.ann),
		"subject.type is required":                  w.asking("subject", m{"id": w.ann}),
		"subject.id is required":                    w.asking("subject", m{"type": "user"}),
		"subject.type must be identity or user":     w.asking("subject", m{"type": "robot", "id": w.ann}),
		"subject.type must be a string":             w.asking("subject", m{"type": nil, "id": w.ann}),
		"subject.id must be a string":               w.asking("subject", subject(7)),
		"subject.id must be 1 to 255 characters":    w.asking("subject", subject("")),
		"action is required":                        w.asking("action", nothing),
		"action must be an object":                  w.asking("action", nil),
		"action.name is required":                   w.asking("action", m{}),
		"action.name must be 1 to 255 characters":   w.asking("action", action(long)),
		"resource is required":                      w.asking("resource", nothing),
		"resource.type is required":                 w.asking("resource", m{"id": w.first}),
		"resource.type must be 1 to 255 characters": w.asking("resource", m{"type": "", "id": w.first}),
		"resource.id is required":                   w.asking("resource", m{"type": "node"}),
		"resource.id must be a string":              w.asking("resource", at(nil)),
		"resource.id must be 1 to 255 characters":   w.asking("resource", at("")),
	}
}

// TestMalformedEvaluation: the answer names the member, in the product's body of errors.
func TestMalformedEvaluation(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		for problem, body := range w.malformed() {
			for _, path := range []string{evaluation, evaluations} {
				a := w.Do("POST", path, body)
				diff := cmp.Diff([]any{problem}, a.At("error", "details"))
				if a.Status != 400 || a.Code() != "validation" || diff != "" {
					t.Errorf("%s: %d %s", path, a.Status, a.Raw)
				}
			}
		}
		for _, body := range []string{"", "[]", "null", "{", `{"subject":{},"subject":{}}`, `"x"`, `{"subject":"\ud800"}`} {
			for _, path := range []string{evaluation, evaluations, search + "subject", search + "resource", search + "action"} {
				if a := w.Do("POST", path, body); a.Status != 400 || a.Code() != "validation" {
					t.Errorf("%s %q: %d %s", path, body, a.Status, a.Raw)
				}
			}
		}
	})
}

// TestEvaluations: items in their order, with what they leave out from the whole.
func TestEvaluations(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		items := []any{
			m{},
			m{"resource": at(w.root)},
			m{"action": action("lease.sign")},
			m{"resource": anywhere(), "trace": 1},
			m{"subject": subject(w.ben)},
		}
		want := []any{
			allowed(w.first, "node"), denied(w.root, "no_assignment"),
			denied(w.first, "permission_not_granted"), allowed(nil, "app_wide"),
			denied(w.first, "no_assignment"),
		}
		for how, n := range map[string]int{"": 5, "execute_all": 5, "deny_on_first_deny": 2, "permit_on_first_permit": 1} {
			body := w.asking("evaluations", items)
			if how != "" {
				body["options"] = m{"evaluations_semantic": how, "more": true}
			}
			a := w.Must(200, "POST", evaluations, body)
			if diff := cmp.Diff(any(m{"evaluations": want[:n]}), a.At()); diff != "" {
				t.Errorf("%s: %s", how, diff)
			}
		}
		permit := w.Must(200, "POST", evaluations, w.asking(
			"resource", at(w.root), "evaluations", []any{m{}, m{"resource": at(w.north)}, m{}},
			"options", m{"evaluations_semantic": "permit_on_first_permit"},
		))
		end := []any{denied(w.root, "no_assignment"), allowed(w.north, "node")}
		if diff := cmp.Diff(any(m{"evaluations": end}), permit.At()); diff != "" {
			t.Error(diff)
		}
		// A member of an item replaces the default whole: its id is not completed.
		whole := w.Must(200, "POST", evaluations, w.asking("evaluations", []any{m{"resource": m{"type": "node"}}}))
		if diff := cmp.Diff(any(m{"evaluations": []any{refused("resource.id is required")}}), whole.At()); diff != "" {
			t.Error(diff)
		}
		alone := w.Must(200, "POST", evaluations, m{"evaluations": []any{w.asking()}})
		if diff := cmp.Diff(any(m{"evaluations": []any{allowed(w.first, "node")}}), alone.At()); diff != "" {
			t.Error(diff)
		}
	})
}

// TestEvaluationsWithoutItems is a single evaluation.
func TestEvaluationsWithoutItems(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		for _, body := range []m{
			w.asking(), w.asking("evaluations", []any{}), w.asking("options", m{}),
			w.asking("evaluations", []any{}, "options", m{"evaluations_semantic": "deny_on_first_deny"}),
		} {
			a := w.Must(200, "POST", evaluations, body)
			if diff := cmp.Diff(any(allowed(w.first, "node")), a.At()); diff != "" {
				t.Error(diff)
			}
		}
	})
}

// TestMalformedItems fail alone, whatever lies beside them, and end a call like a denial.
func TestMalformedItems(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		for problem, body := range w.malformed() {
			a := w.Must(200, "POST", evaluations, m{"evaluations": []any{w.asking(), body, w.asking()}})
			want := []any{allowed(w.first, "node"), refused(problem), allowed(w.first, "node")}
			if diff := cmp.Diff(any(m{"evaluations": want}), a.At()); diff != "" {
				t.Error(diff)
			}
		}
		for _, item := range []any{7, "x", nil, []any{}, true} {
			a := w.Must(200, "POST", evaluations, w.asking("evaluations", []any{item, m{}}))
			one, _ := a.At("evaluations", "1", "decision").(bool)
			if a.Text("evaluations", "0", "context", "error", "message") == "" || !one {
				t.Errorf("%v: %s", item, a.Raw)
			}
		}
		several := w.Must(200, "POST", evaluations, m{"evaluations": []any{m{}}})
		told := "subject is required; action is required; resource is required"
		if diff := cmp.Diff(any(m{"evaluations": []any{refused(told)}}), several.At()); diff != "" {
			t.Error(diff)
		}
		ended := w.Must(200, "POST", evaluations, w.asking(
			"evaluations", []any{m{}, m{"subject": 1}, m{}}, "options", m{"evaluations_semantic": "deny_on_first_deny"},
		))
		want := []any{allowed(w.first, "node"), refused("subject must be an object")}
		if diff := cmp.Diff(any(m{"evaluations": want}), ended.At()); diff != "" {
			t.Error(diff)
		}
	})
}

// TestMalformedEvaluations: what is wrong with the whole refuses the whole.
func TestMalformedEvaluations(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		many := make([]any, 1001)
		for i := range many {
			many[i] = m{}
		}
		semantics := "options.evaluations_semantic must be execute_all, deny_on_first_deny, permit_on_first_permit"
		for problem, bodies := range map[string][]m{
			semantics: {
				w.asking("options", m{"evaluations_semantic": "all"}, "evaluations", []any{m{}}),
				w.asking("options", m{"evaluations_semantic": 3}), w.asking("options", m{"evaluations_semantic": nil}),
				w.asking("options", m{"evaluations_semantic": "Execute_All"}, "evaluations", []any{}),
			},
			"options must be an object":                    {w.asking("options", "execute_all", "evaluations", []any{m{}})},
			"evaluations must be an array":                 {w.asking("evaluations", m{})},
			"evaluations must hold at most 1000 questions": {w.asking("evaluations", many)},
			"action must be an object":                     {w.asking("evaluations", []any{w.asking()}, "action", "read")},
		} {
			for _, body := range bodies {
				a := w.Do("POST", evaluations, body)
				if diff := cmp.Diff([]any{problem}, a.At("error", "details")); a.Status != 400 || diff != "" {
					t.Errorf("%d %.300s\n%s", a.Status, a.Raw, diff)
				}
			}
		}
		a := w.Must(200, "POST", evaluations, w.asking("evaluations", many[:1000]))
		if list, _ := a.At("evaluations").([]any); len(list) != 1000 {
			t.Errorf("%d answers", len(list))
		}
	})
}

// TestRequestIDIsEchoed as it was sent, on refusals too; what no header should hold is not.
func TestRequestIDIsEchoed(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		nobody := w.s.Client()
		for sent, echoed := range map[string]bool{
			"bfe9eb29-ab87-4ca3-be83-a1d5d8305716": true, "BFE9EB29-AB87-4CA3-BE83-A1D5D8305716": true, "x": true,
			"trace=1;span=<2>": true, strings.Repeat("a", 255): true, strings.Repeat("a", 256): false, "a b": false,
			"é": false, "": false,
		} {
			for path, c := range map[string]*servertest.Client{evaluation: w.Client, search + "action": nobody} {
				got := c.Do("POST", path, w.asking(), "X-Request-Id", sent).Header.Get("X-Request-Id")
				if got == "" || (got == sent) != echoed {
					t.Errorf("%s: %q is answered with %q", path, sent, got)
				}
			}
		}
		if got := w.Do("GET", w.at, nil, "X-Request-Id", "x").Header.Get("X-Request-Id"); got == "x" {
			t.Error("it is echoed everywhere")
		}
		key := w.Key(w.at, "identity.view")
		nobody.Do("POST", evaluation, w.asking(), "X-API-Key", key, "X-Request-Id", "not-a-uuid")
		n := 0
		for line := range strings.Lines(w.s.Log.String()) {
			if strings.Contains(line, "not-a-uuid") {
				n++
			}
		}
		if n > 0 {
			t.Errorf("what is no id of ours is logged as one, %d times", n)
		}
	})
}

// TestWhoMayAsk: the principals of the public API, in the Environment that they name.
func TestWhoMayAsk(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		production := strings.Replace(w.at, "development", "production", 1)
		ask := func(c *servertest.Client, path string, header ...string) string {
			a := c.Do("POST", path, w.asking(), header...)
			if a.Status == 200 {
				return "ok"
			}
			return a.Code()
		}
		program := w.s.Client()
		asks, both := w.Key(w.at, "permissions.evaluate"), w.Key(w.at, "permissions.evaluate", "identity.view")
		for _, c := range []struct {
			path, key, want string
		}{
			{evaluation, asks, "ok"},
			{evaluations, asks, "ok"},
			{search + "resource", asks, "ok"},
			{search + "action", asks, "ok"},
			{search + "subject", asks, "auth.permission_denied"},
			{search + "subject", both, "ok"},
			{evaluation, w.Key(w.at, "identity.view"), "auth.permission_denied"},
			{evaluation, "ck_none", "auth.invalid_token"},
			{search + "subject", w.Key(w.at, "identity.view"), "auth.permission_denied"},
			{evaluation, w.Key(w.at), "ok"},
		} {
			if got := ask(program, c.path, "X-API-Key", c.key); got != c.want {
				t.Errorf("%s: %s, want %s", c.path, got, c.want)
			}
		}
		if got := ask(program, evaluation); got != "auth.invalid_token" {
			t.Errorf("nobody: %s", got)
		}
		elsewhere := w.Do("POST", evaluation, w.asking(), "X-Canopy-Environment", "production")
		if elsewhere.At("context", "denial_reason") != "identity_not_found" {
			t.Errorf("elsewhere: %s", elsewhere.Raw)
		}
		there := program.Do("POST", evaluation, w.asking(), "X-API-Key", w.Key(production))
		if there.At("context", "denial_reason") != "identity_not_found" {
			t.Errorf("a key of another Environment: %s", there.Raw)
		}
		if got := ask(w.Client, evaluation, "X-Canopy-Environment", "none"); got != "environments.not_found" {
			t.Errorf("in no Environment: %s", got)
		}
	})
}

// TestConfiguration: absolute addresses below the public URL, whoever asks and by whatever
// name, and each of them is there.
func TestConfiguration(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		want := m{
			"policy_decision_point": w.s.URL, "access_evaluation_endpoint": w.s.URL + evaluation,
			"access_evaluations_endpoint": w.s.URL + evaluations, "search_subject_endpoint": w.s.URL + search + "subject",
			"search_resource_endpoint": w.s.URL + search + "resource", "search_action_endpoint": w.s.URL + search + "action",
		}
		const path = "/.well-known/authzen-configuration"
		for _, host := range []string{strings.TrimPrefix(w.s.URL, "http://"), "pdp.elsewhere.example"} {
			a := w.s.Client().Must(200, "GET", path, nil, "Host", host)
			if diff := cmp.Diff(any(want), a.At()); diff != "" {
				t.Errorf("%s: %s", host, diff)
			}
		}
		for name, url := range want {
			if name == "policy_decision_point" {
				continue
			}
			w.Must(200, "POST", strings.TrimPrefix(url.(string), w.s.URL), w.asking())
		}
		if a := w.s.Client().Do("POST", evaluation, w.asking(), "Host", "elsewhere.example"); a.Status != 421 {
			t.Errorf("an operation by another name: %d", a.Status)
		}
	})
}
