package wire_test

import (
	"context"
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/platform/ratelimit"
	"canopy.dev/canopy/internal/platform/wire"
)

// TestWhatWritesIsCountedByItsCaller: every route with a credential that is no GET has the
// limit of principals, once the body is good and before the handler runs.
func TestWhatWritesIsCountedByItsCaller(t *testing.T) {
	t.Parallel()
	var counted []ratelimit.Name
	rt := newRouter(func(c *wire.Config) {
		c.Limit = func(_ context.Context, name ratelimit.Name, _ string) error {
			counted = append(counted, name)
			return nil
		}
	})
	route := wire.Route{Path: "/things", Summary: "X", About: "X.", Status: http.StatusNoContent}
	for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
		route.Method, route.ID = method, method
		wire.Handle(rt.Users("", thingTag), route,
			func(context.Context, *wire.Call, principal.User, wire.None) (wire.Empty, error) {
				return wire.Empty{}, nil
			})
	}
	route.Method, route.Path, route.ID = "POST", "/public", "public"
	wire.Handle(rt.Public("", thingTag), route,
		func(context.Context, *wire.Call, principal.Actor, wire.None) (wire.Empty, error) {
			return wire.Empty{}, nil
		})
	for _, op := range rt.Operations() {
		counted = nil
		if a := ask(t, rt, op.Method, op.Path, "", "Authorization", "Bearer owner"); a.Code != http.StatusNoContent {
			t.Errorf("%s: %d %s", op.ID, a.Code, a.Body)
		}
		var want []ratelimit.Name
		if op.Method != http.MethodGet && op.ID != "public" {
			want = []ratelimit.Name{ratelimit.Principal}
		}
		if diff := cmp.Diff(want, counted); diff != "" {
			t.Errorf("%s: %s", op.ID, diff)
		}
		declared := slices.Contains(op.Limits, wire.Limit{Name: ratelimit.Principal, By: wire.ByPrincipal})
		if declared != (want != nil) {
			t.Errorf("%s: declared %v", op.ID, declared)
		}
	}
}
