package scenario_test

import (
	"testing"

	"canopy.dev/canopy/internal/access/scenario"
	"canopy.dev/canopy/internal/server/servertest"
)

// TestOnARealExport: what a server exports is read, and decided as the server decides.
func TestOnARealExport(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		alex, account := s.Bootstrap("alex@acme.example", "Acme")
		at := "/portal/v1/accounts/" + account + "/applications/desk/environments/development"
		root := alex.Tree(at)
		north := alex.Node(at, root, "region", "Far North")
		alex.Node(at, north, "office", "Office")
		closed := alex.Node(at, root, "region", "Closed")
		alex.Must(200, "PATCH", at+"/nodes/"+closed, m{"status": "inactive"})
		alex.Must(201, "POST", at+"/permissions", m{"permissions": []m{{"key": "a.read", "name": "Read", "category": "a"}}})
		role := alex.Role(at, "Head Reader")
		alex.Must(200, "PUT", at+"/roles/"+role+"/permissions", m{"permission_keys": []string{"a.read"}})
		raw := alex.Must(200, "GET", at+"/export", nil)
		world, err := scenario.ReadExport(t.Context(), []byte(raw.Raw))
		if err != nil {
			t.Fatal(err)
		}
		top := alex.Must(200, "GET", at+"/nodes/"+root, nil).Text("data", "slug")
		r, err := scenario.RunOn([]byte(`On a real export.
-- world --
member ann@acme.example
assign 'Head Reader' to ann@acme.example at `+top+`
-- ask --
now 2026-01-01T00:00:00Z
ann@acme.example a.read at `+top+`/far-north/office => allowed by Head Reader
ann@acme.example a.read at 'Far North' => allowed by Head Reader
ann@acme.example a.read at "`+north+`" => allowed by Head Reader
ann@acme.example a.read at Closed => denied: node_inactive
ann@acme.example identity.view at Office => denied: permission_not_granted
`), scenario.Named(scenario.Offline), world)
		if err != nil {
			t.Fatal(err)
		}
		if r.Asked != 5 || len(r.Wrong) > 0 {
			t.Errorf("%d asked, wrong: %v", r.Asked, r.Wrong)
		}
	})
}
