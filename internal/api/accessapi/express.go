package accessapi

import (
	"context"

	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/decision"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/platform/wire"
)

// The short ways of evaluate and bulk (wire.Express): by hand, without reflection, for what is
// plainly a good question of a live key. All else is left to the handlers in decisions.go.
//
//	key in memory ─► body ─► proof ─► key live then? ─► question by question: read, decide, write

// The largest bodies of the short ways, in bytes.
const (
	mostOfQuestion  = 4 << 10
	mostOfQuestions = 1 << 20
)

// evaluateExpress is evaluate.
func (h *Decisions) evaluateExpress(ctx context.Context, x *wire.Express) bool {
	standing, by, in, is := h.admit(ctx, x)
	if !is {
		return false
	}
	var names [8]string
	x.Out = append(x.Out, `{"data":`...)
	q, is := in.question()
	if !is || !in.end() {
		return false
	}
	asked := q.decided()
	d := standing.Evaluate(asked, names[:0])
	standing.Note(by, asked, d)
	x.Out = append(q.appendVerdict(x.Out, d), '}')
	return true
}

// bulkExpress is bulk.
func (h *Decisions) bulkExpress(ctx context.Context, x *wire.Express) bool {
	standing, by, in, is := h.admit(ctx, x)
	if !is || !in.take('{') || !in.member("checks") || !in.take('[') {
		return false
	}
	checks := in
	var names [8]string
	x.Out = append(x.Out, `{"items":[`...)
	for n := 0; ; n++ {
		q, is := in.question()
		if !is || n == mostAsked {
			return false
		}
		x.Out = q.appendVerdict(x.Out, standing.Evaluate(q.decided(), names[:0]))
		if !in.take(',') {
			break
		}
		x.Out = append(x.Out, ',')
	}
	x.Out = append(x.Out, `]}`...)
	if !in.take(']') || !in.take('}') || !in.end() {
		return false
	}
	if standing.Notes() {
		noteAll(standing, by, checks)
	}
	return true
}

// noteAll has the answers to all checks of a call written. Before the last check was read nobody
// knew whether they would be given: the ordinary way refuses the call, or answers and notes it.
func noteAll(standing decision.Proven, by *principal.Actor, in plainly) {
	var names [8]string
	for more := true; more; more = in.take(',') {
		q, _ := in.question()
		asked := q.decided()
		standing.Note(by, asked, standing.Evaluate(asked, names[:0]))
	}
}

// admit reads the body and gives the Environment of a live key that may ask, as it stands
// after that, and whose the key is.
func (h *Decisions) admit(
	ctx context.Context, x *wire.Express,
) (standing decision.Proven, by *principal.Actor, in plainly, is bool) {
	key, is := h.Keys.Held(x.Key)
	if !is || !key.Key.Holds(permission.Evaluate) {
		return standing, nil, in, false
	}
	body, is := x.Body(key.Key.ID)
	if !is {
		return standing, nil, in, false
	}
	standing, err := h.Decisions.Prove(ctx, key.Key.Environment)
	if err != nil || !h.Keys.Live(key, standing.At(), standing.SameKeys) {
		return standing, nil, in, false
	}
	x.Revision = standing.At().Revision
	by = &key.Key.Actor
	by.Request.ID = x.RequestID()
	return standing, by, plainly{body}, true
}

// swift is a question on the short way.
type swift struct{ identity, permission, scope, node string }

func (q *swift) decided() decide.Question {
	d := decide.Question{Identity: idOf(q.identity), Permission: q.permission, Scope: decide.AppWide}
	if q.scope == string(atNode) {
		d.Scope, d.Node = decide.AtNode, idOf(q.node)
	}
	return d
}

// appendVerdict writes the answer as the type verdict is written. What was asked needs no
// escapes (plainly.text); names of roles may.
func (q *swift) appendVerdict(out []byte, d decide.Decision) []byte {
	out = append(out, `{"allowed":`...)
	if d.Allowed {
		out = append(out, `true`...)
	} else {
		out = append(out, `false`...)
	}
	out = append(out, `,"permission":"`...)
	out = append(out, q.permission...)
	out = append(out, `","scope_evaluated":"`...)
	out = append(out, q.scope...)
	out = append(out, `","effective_node_id":`...)
	if q.node == "" {
		out = append(out, `null`...)
	} else {
		out = append(out, '"')
		out = append(out, q.node...)
		out = append(out, '"')
	}
	out = append(out, `,"granting_roles":[`...)
	for i, name := range d.GrantingRoles {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendText(out, name)
	}
	out = append(out, `],"denial_reason":`...)
	if d.Reason == decide.None {
		return append(out, `null}`...)
	}
	out = append(out, '"')
	out = append(out, d.Reason.String()...)
	return append(out, `"}`...)
}

// appendText writes a text that may need escapes.
func appendText(out []byte, s string) []byte {
	for i := range len(s) {
		if !isPlain(s[i]) {
			quoted, err := jsontext.AppendQuote(out, s)
			if err != nil {
				break // names are UTF-8: nothing gets here
			}
			return quoted
		}
	}
	out = append(out, '"')
	out = append(out, s...)
	return append(out, '"')
}

// isPlain reports whether a byte of a text stands for itself in JSON.
func isPlain(c byte) bool { return c >= ' ' && c <= '~' && c != '"' && c != '\\' }

// plainly reads JSON (RFC 8259) whose texts are ASCII without escapes. What it does not read
// may be good all the same.
type plainly struct{ rest string }

// skip passes over white space.
func (p *plainly) skip() {
	for len(p.rest) > 0 && (p.rest[0] == ' ' || p.rest[0] == '\n' || p.rest[0] == '\t' || p.rest[0] == '\r') {
		p.rest = p.rest[1:]
	}
}

// take passes over one byte, if it comes next.
func (p *plainly) take(c byte) bool {
	p.skip()
	if len(p.rest) == 0 || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

// end reports whether nothing more comes.
func (p *plainly) end() bool {
	p.skip()
	return p.rest == ""
}

// text reads a text of 1 to 255 characters.
func (p *plainly) text() (s string, is bool) {
	if !p.take('"') {
		return "", false
	}
	for i := range min(len(p.rest), 256) {
		switch c := p.rest[i]; {
		case c == '"':
			s, p.rest = p.rest[:i], p.rest[i+1:]
			return s, s != ""
		case !isPlain(c):
			return "", false
		}
	}
	return "", false
}

// member passes over the name of a member.
func (p *plainly) member(name string) bool {
	given, is := p.text()
	return is && given == name && p.take(':')
}

// question reads one question, whose members come in any order.
func (p *plainly) question() (q swift, is bool) {
	if !p.take('{') {
		return q, false
	}
	for more := true; more; more = p.take(',') {
		name, is := p.text()
		into := q.field(name)
		if !is || into == nil || *into != "" || !p.take(':') {
			return q, false
		}
		if *into, is = p.text(); !is {
			return q, false
		}
	}
	if !p.take('}') || q.identity == "" || q.permission == "" {
		return q, false
	}
	return q, q.scope == string(atNode) && q.node != "" || q.scope == string(appWide) && q.node == ""
}

// field is where a member goes; nil for none.
func (q *swift) field(name string) *string {
	switch name {
	case "identity_id":
		return &q.identity
	case "permission":
		return &q.permission
	case "scope":
		return &q.scope
	case "node_id":
		return &q.node
	}
	return nil
}
