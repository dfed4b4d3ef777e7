package replicas_test

import (
	"fmt"
	"net/http"

	"canopy.dev/canopy/internal/foundation/id"
)

// pair writes by the first process and asks the second about one person, node and permission.
type pair struct {
	*world
	of, node, above, role id.ID
	key                   string
	given                 string // the assignment
	now                   uint64 // revision of the last write
}

// Each two steps take somebody's access away and give it again, another way each.
const ways = 5

// round makes one step, and asks at once.
func (x *pair) round(n int) {
	x.t.Helper()
	x.expect(x.step(n % (2 * ways)))
}

// step writes; may says whether access is to be there afterwards.
func (x *pair) step(n int) (may bool) {
	x.t.Helper()
	node, role := "/nodes/"+x.node.String(), "/roles/"+x.role.String()
	person, elsewhere := "/identities/"+x.of.String(), x.nodes[1]
	switch n {
	case 0, 2: // granted above the node, which is moved away then
		x.give(x.above)
		return true
	case 1:
		x.write(http.MethodDelete, "/assignments/"+x.given, "")
		return false
	case 3:
		x.write(http.MethodPost, node+"/move", fmt.Sprintf(`{"parent_node_id":%q}`, elsewhere))
		return false
	case 4:
		x.write(http.MethodPost, node+"/move", fmt.Sprintf(`{"parent_node_id":%q}`, x.above))
		return true
	case 5:
		x.write(http.MethodPatch, role, `{"is_active":false}`)
		return false
	case 6:
		x.write(http.MethodPatch, role, `{"is_active":true}`)
		x.write(http.MethodPatch, node, `{"status":"inactive"}`)
		return false
	case 7:
		x.write(http.MethodPatch, node, `{"status":"active"}`)
		return true
	case 8:
		x.write(http.MethodPost, person+"/deactivate", "")
		return false
	default:
		x.write(http.MethodPost, person+"/activate", "")
		x.write(http.MethodDelete, "/assignments/"+x.given, "")
		return false
	}
}

func (x *pair) give(at id.ID) {
	x.t.Helper()
	x.given = x.write(http.MethodPost, "/assignments",
		fmt.Sprintf(`{"identity_id":%q,"node_id":%q,"role_id":%q}`, x.of, at, x.role)).id()
}

func (x *pair) write(method, path, body string) answer {
	x.t.Helper()
	a := x.at(x.t.Context(), 0, x.main, method, "/api/v1"+path, body)
	if a.status/100 != 2 || a.revision <= x.now {
		x.t.Fatalf("%s %s answers %d, revision %d after %d: %s", method, path, a.status, a.revision, x.now, a.raw)
	}
	x.now = a.revision
	return a
}

// ask asks a process.
func (x *pair) ask(process int) answer {
	return x.at(x.t.Context(), process, x.main, http.MethodPost, "/api/v1/permissions/evaluate",
		fmt.Sprintf(`{"identity_id":%q,"permission":%q,"scope":"node","node_id":%q}`, x.of, x.key, x.node))
}

// expect asks both, the one that has not written first. Where the machine is busy a proof may
// take too long, which is told, and asked again.
func (x *pair) expect(may bool) {
	x.t.Helper()
	for _, process := range []int{1, 0} {
		a := x.ask(process)
		for again := 0; a.status == http.StatusServiceUnavailable && a.again == "1" && again < 20; again++ {
			a = x.ask(process)
		}
		d, err := decided(a.raw)
		if err != nil || a.status != http.StatusOK || d.Allowed != may || a.revision < x.now {
			x.t.Errorf("process %d answers %d, revision %d after %d, want %t: %s", process, a.status, a.revision, x.now,
				may, a.raw)
		}
	}
}
