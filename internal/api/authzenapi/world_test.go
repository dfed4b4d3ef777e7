package authzenapi_test

import (
	"maps"
	"testing"

	"canopy.dev/canopy/internal/server/servertest"
)

type m = servertest.Map

const (
	evaluation  = "/access/v1/evaluation"
	evaluations = "/access/v1/evaluations"
	search      = "/access/v1/search/"
)

// world is an Environment where ann reads at North, and so in its two offices, and ben may
// do nothing.
type world struct {
	*servertest.Client
	s *servertest.Server

	at                         string // of the Environment in the portal
	root, north, first, second string
	ann, ben, reader           string
}

func newWorld(p servertest.Provoker) *world {
	w := &world{s: p.Server}
	w.Client, w.at = p.Owner()
	w.at += "/applications/desk/environments/development"
	w.root = w.Tree(w.at)
	w.north = w.Node(w.at, w.root, "region", "North")
	w.first, w.second = w.Node(w.at, w.north, "office", "First"), w.Node(w.at, w.north, "office", "Second")
	if w.first > w.second {
		w.first, w.second = w.second, w.first
	}
	w.Must(201, "POST", w.at+"/permissions", m{"permissions": []m{
		{"key": "lease.read", "name": "Read", "category": "lease"},
		{"key": "lease.sign", "name": "Sign", "category": "lease"},
	}})
	w.ann, w.ben, w.reader = w.Person(w.at, "ann"), w.Person(w.at, "ben"), w.Role(w.at, "Reader")
	w.Must(200, "PUT", w.at+"/roles/"+w.reader+"/permissions", m{"permission_keys": []string{"lease.read"}})
	w.Assign(w.at, w.ann, w.north, w.reader)
	return w
}

func each(t *testing.T, fn func(t *testing.T, w *world)) {
	t.Helper()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) { fn(t, newWorld(s.Provoker())) })
}

func subject(id any) m  { return m{"type": "identity", "id": id} }
func action(name any) m { return m{"name": name} }
func at(node any) m     { return m{"type": "node", "id": node} }
func anywhere() m       { return m{"type": "application"} }

// asking is whether ann may read in the first office, with other members.
func (w *world) asking(more ...any) m {
	return with(m{"subject": subject(w.ann), "action": action("lease.read"), "resource": at(w.first)}, more...)
}

// with is a body with other members; one that is nothing is taken out.
func with(body m, more ...any) m {
	body = maps.Clone(body)
	for i := 0; i < len(more); i += 2 {
		if more[i+1] == nothing {
			delete(body, more[i].(string))
		} else {
			body[more[i].(string)] = more[i+1]
		}
	}
	return body
}

// nothing stands for a member that is absent.
const nothing = absent(0)

type absent int
