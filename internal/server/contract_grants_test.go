package server_test

// holding is a ground where ann has the role Reader at North, by an assignment.
type holding struct {
	*ground
	ann, reader, writer, id string
}

func (g *ground) holding() holding {
	h := holding{ground: g, ann: g.owner.Person(g.at, "ann"), reader: g.role(), writer: g.owner.Role(g.at, "Writer")}
	h.id = g.owner.Assign(g.at, h.ann, g.node, h.reader)
	return h
}

// ofHolding makes a call about what is assigned.
func ofHolding(do func(h holding) answer) produce {
	return func(g *ground) answer { return do(g.holding()) }
}

// assigning is the body that gives ann a role at the root.
func (h holding) assigning(role string) m {
	return m{"identity_id": h.ann, "node_id": h.root, "role_id": role}
}

// grantCells are the calls of what is assigned.
var grantCells = map[string]map[int]produce{
	"POST /api/v1/assignments": {
		201: ofHolding(func(h holding) answer { return h.call("POST", "/assignments", h.assigning(h.reader)) }),
		400: ofHolding(func(h holding) answer {
			body := h.assigning(h.reader)
			body["effective_to"] = "tomorrow"
			return h.call("POST", "/assignments", body)
		}),
		409: ofHolding(func(h holding) answer {
			return h.call("POST", "/assignments", m{"identity_id": h.ann, "node_id": h.node, "role_id": h.reader})
		}),
	},
	"PATCH /api/v1/assignments/{id}": {
		200: ofHolding(func(h holding) answer {
			body := m{"role_id": h.writer, "effective_from": nil, "effective_to": "2027-01-01T00:00:00Z"}
			return h.call("PATCH", "/assignments/"+h.id, body)
		}),
		400: ofHolding(func(h holding) answer { return h.call("PATCH", "/assignments/"+h.id, m{}) }),
	},
	"DELETE /api/v1/assignments/{id}": {
		204: ofHolding(func(h holding) answer { return h.call("DELETE", "/assignments/"+h.id, nil) }),
	},
	"POST /api/v1/assignments/bulk-create": {
		200: ofHolding(func(h holding) answer {
			rows := []m{h.assigning(h.reader), h.assigning(h.writer)}
			return h.call("POST", "/assignments/bulk-create", m{"assignments": rows})
		}),
		207: ofHolding(func(h holding) answer {
			rows := []m{h.assigning(h.reader), h.assigning(h.reader), {"identity_id": 7}}
			return h.call("POST", "/assignments/bulk-create", m{"assignments": rows})
		}),
	},
	"POST /api/v1/assignments/bulk-remove": {
		204: ofHolding(func(h holding) answer {
			return h.call("POST", "/assignments/bulk-remove", m{"assignment_ids": []string{h.id}})
		}),
	},
	"POST /api/v1/assignments/bulk-change-role": {
		200: ofHolding(func(h holding) answer {
			body := m{"assignment_ids": []string{h.id}, "role_id": h.writer}
			return h.call("POST", "/assignments/bulk-change-role", body)
		}),
		400: ofHolding(func(h holding) answer {
			return h.call("POST", "/assignments/bulk-change-role", m{"assignment_ids": []string{}, "role_id": h.writer})
		}),
	},
	"GET /api/v1/assignments/app-wide": {200: ofHolding(func(h holding) answer {
		return h.call("GET", "/assignments/app-wide?q=ann&status=active&under_node_id="+h.root, nil)
	})},
	"GET /api/v1/assignments/app-wide/summary": {200: ofHolding(func(h holding) answer {
		return h.call("GET", "/assignments/app-wide/summary", nil)
	})},
	"GET /api/v1/nodes/{id}/identities": {200: ofHolding(func(h holding) answer {
		return h.call("GET", "/nodes/"+h.node+"/identities?access_type=direct", nil)
	})},
	"GET /api/v1/nodes/{id}/identities/summary": {200: ofHolding(func(h holding) answer {
		return h.call("GET", "/nodes/"+h.node+"/identities/summary", nil)
	})},
}
