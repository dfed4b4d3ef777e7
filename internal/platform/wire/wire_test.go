package wire_test

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/ratelimit"
	"canopy.dev/canopy/internal/platform/wire"
)

var (
	errInvalid     = fault.New(fault.Unauthenticated, "auth.invalid_token", "Invalid or expired token")
	errAccount     = fault.New(fault.NotFound, "account.not_found", "Account not found")
	errApplication = fault.New(fault.NotFound, "applications.not_found", "Application not found")
	errEnvironment = fault.New(fault.NotFound, "environments.not_found", "Environment not found")
	errNoThing     = fault.New(fault.NotFound, "things.not_found", "Thing not found")
	thingTag       = wire.Tag{Name: "Things", About: "What the tests make."}
	thingID        = wire.PathID[id.ID]("id", "The thing's id.", errNoThing)
	thingCookie    = wire.Cookie{Name: "thing", Path: "/", About: "Something to keep."}
)

// places knows lease-desk, and in it production.
var places = wire.Places{
	AccountNotFound: errAccount, ApplicationNotFound: errApplication, EnvironmentNotFound: errEnvironment,
	Application: func(_ context.Context, in scope.Account, slug string) (scope.Application, error) {
		if slug != "lease-desk" {
			return scope.Application{}, errApplication
		}
		return scope.Application{Account: in, Slug: slug}, nil
	},
	Environment: func(_ context.Context, in scope.Application, slug string) (scope.Environment, error) {
		if slug != "production" {
			return scope.Environment{}, errEnvironment
		}
		return scope.Environment{Application: in, Slug: slug}, nil
	},
}

const aThing = "019daf52-4e20-7f58-a04d-ba41ecccc3fc"

// newRouter knows three tokens: owner and admin of acme, and choosing, which has
// yet to choose. change may be nil.
func newRouter(change func(*wire.Config)) *wire.Router {
	user := func(role permission.AccountRole) principal.User {
		in := scope.Account{ID: id.New[scope.AccountID](time.Now()), Slug: "acme"}
		who := principal.Actor{Kind: principal.KindUser, ID: id.New[id.ID](time.Now()), Label: string(role)}
		return principal.User{Actor: who, UserID: principal.UserID(who.ID), Role: role, Account: in}
	}
	known := map[string]principal.Principal{
		"owner": user(permission.Owner), "admin": user(permission.Admin),
		"choosing": principal.PreAuth{Actor: principal.Actor{Kind: principal.KindPreAuth}},
		"machine":  principal.Other{Actor: principal.Actor{Kind: principal.KindPlatform}},
	}
	c := wire.Config{
		Log: slog.New(slog.DiscardHandler), Now: time.Now, PublicOrigin: "https://canopy.test",
		InvalidToken: errInvalid, Places: places,
		Authenticate: func(_ context.Context, token string) (principal.Principal, error) {
			if p, ok := known[token]; ok {
				return p, nil
			}
			return nil, errInvalid
		},
		Limit: func(context.Context, ratelimit.Name, string) error { return nil },
	}
	if change != nil {
		change(&c)
	}
	return wire.NewRouter(c)
}

type answer struct {
	*httptest.ResponseRecorder
	code string // of the error
}

// ask sends a request; header holds pairs.
func ask(t *testing.T, h http.Handler, method, path, body string, header ...string) answer {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "https://canopy.test"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	a := answer{ResponseRecorder: httptest.NewRecorder()}
	h.ServeHTTP(a, r)
	var failed struct {
		Error struct {
			Code string `json:"code"`
		} `json:"error"`
	}
	if err := json.Unmarshal(a.Body.Bytes(), &failed); err == nil {
		a.code = failed.Error.Code
	}
	return a
}

type thing struct {
	Name string `json:"name" doc:"Its name."`
}

// TestChecksComeInTheContractsOrder: a request that is wrong in every way is told
// of the first thing, and of the next when that is mended.
func TestChecksComeInTheContractsOrder(t *testing.T) {
	t.Parallel()
	limited := true
	rt := newRouter(func(c *wire.Config) {
		c.Limit = func(context.Context, ratelimit.Name, string) error {
			if limited {
				return fault.RateLimited
			}
			return nil
		}
	})
	wire.Handle(rt.InAccount("/things", thingTag), wire.Route{
		Method: http.MethodPatch, Path: "/{id}", ID: "patchThing", Summary: "Patch", About: "Changes it.",
		Needs: permission.UserManageOwners, Limits: []wire.Limit{{Name: ratelimit.Link, By: wire.ByIP}},
		Cookie: thingCookie, Params: []wire.Parameter{thingID}, ETag: true, IfMatch: true, Status: http.StatusOK,
		Faults: []*fault.Error{fault.VersionConflict},
	}, func(_ context.Context, c *wire.Call, _ wire.At[scope.Account], in thing) (wire.Data[thing], error) {
		return wire.OfVersion(c, in, c.Version()+1, nil)
	})
	header := map[string]string{"Origin": "https://evil.test", "Content-Type": "text/plain", "If-Match": "*"}
	path, body := "/portal/v1/accounts/northwind/things/x", `{"nom":1}`
	try := func() answer {
		t.Helper()
		var pairs []string
		for name, value := range header {
			pairs = append(pairs, name, value)
		}
		return ask(t, rt, http.MethodPatch, path, body, pairs...)
	}
	for _, step := range []struct {
		status int
		code   string
		mend   func()
	}{
		{403, "auth.origin_refused", func() { header["Origin"] = "https://canopy.test" }},
		{429, "rate_limit.exceeded", func() { limited = false }},
		{401, "auth.invalid_token", func() { header["Authorization"] = "Bearer machine" }},
		{403, "auth.wrong_principal", func() { header["Authorization"] = "Bearer choosing" }},
		{401, "auth.invalid_token", func() { header["Authorization"] = "Bearer admin" }},
		{404, "account.not_found", func() { path = "/portal/v1/accounts/acme/things/x" }},
		{403, "auth.permission_denied", func() { header["Authorization"] = "Bearer owner" }},
		{415, "", func() { header["Content-Type"] = "application/json" }},
		{400, "validation", func() { body = `{"name":"Rope"}` }},
		{404, "things.not_found", func() { path = "/portal/v1/accounts/acme/things/" + aThing }},
		{400, "precondition.malformed", func() { header["If-Match"] = `"6"` }},
	} {
		if a := try(); a.Code != step.status || a.code != step.code {
			t.Errorf("%d %s, want %d %s", a.Code, a.Body, step.status, step.code)
		}
		step.mend()
	}
	if a := try(); a.Code != 200 || a.Header().Get("ETag") != `"7"` || a.Body.String() != `{"data":{"name":"Rope"}}` {
		t.Errorf("%d %q %s", a.Code, a.Header().Get("ETag"), a.Body)
	}
}

// TestRoutesThatContradictThemselves don't come into being.
func TestRoutesThatContradictThemselves(t *testing.T) {
	t.Parallel()
	good := wire.Route{
		Method: http.MethodPost, Path: "/things", ID: "x", Summary: "X", About: "X.", Status: http.StatusOK,
	}
	for name, change := range map[string]func(*wire.Route){
		"no id":                     func(r *wire.Route) { r.ID = "" },
		"no description":            func(r *wire.Route) { r.About = "" },
		"no status":                 func(r *wire.Route) { r.Status = 0 },
		"a segment nobody declares": func(r *wire.Route) { r.Path = "/things/{id}" },
		"a parameter nowhere":       func(r *wire.Route) { r.Params = []wire.Parameter{thingID} },
		"a right of nobody":         func(r *wire.Route) { r.Needs = permission.UserView },
		"only a further right":      func(r *wire.Route) { r.And = permission.UserView },
		"a version without clash":   func(r *wire.Route) { r.IfMatch = true },
		"a limit by what isn't there": func(r *wire.Route) {
			r.Limits = []wire.Limit{{Name: ratelimit.Recover, By: wire.ByIPAndBody}}
		},
		"a limit by nobody's session": func(r *wire.Route) {
			r.Limits = []wire.Limit{{Name: ratelimit.Session, By: wire.BySession}}
		},
		"a body with GET":           func(r *wire.Route) { r.Method = http.MethodGet },
		"an anonymous repeat":       func(r *wire.Route) { r.Idempotent = true },
		"a credential of no cookie": func(r *wire.Route) { r.CookieAuth = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			defer func() {
				if recover() == nil {
					t.Error("it was registered")
				}
			}()
			route := good
			change(&route)
			wire.Handle(newRouter(nil).Public("", thingTag), route, takesThing)
		})
	}
	wire.Handle(newRouter(nil).Public("", thingTag), good, takesThing)
}

// TestUsersOrCookie: an access token is looked at first, then the route's cookie; a good
// credential of another kind is refused beside it.
func TestUsersOrCookie(t *testing.T) {
	t.Parallel()
	rt := newRouter(nil)
	route := wire.Route{
		Method: http.MethodPost, Path: "/leave", ID: "leave", Summary: "Leave", About: "Ends it.",
		Cookie: thingCookie, Status: http.StatusOK,
	}
	wire.Handle(rt.UsersOrCookie("", thingTag), route,
		func(_ context.Context, _ *wire.Call, by wire.UserOrCookie, _ wire.None) (wire.Data[thing], error) {
			name := string(by.Actor.Kind) + " " + by.Cookie
			if by.User != nil {
				name = by.User.Label
			}
			return wire.Of(thing{name}, nil)
		})
	cookie := thingCookie.Name + "=c"
	for _, c := range []struct {
		token, cookie string
		status        int
		want          string // the answer, or a code
	}{
		{"owner", cookie, 200, `{"data":{"name":"owner"}}`},
		{"owner", "", 200, `{"data":{"name":"owner"}}`},
		{"", cookie, 200, `{"data":{"name":"anonymous c"}}`},
		{"old", cookie, 200, `{"data":{"name":"anonymous c"}}`},
		{"choosing", cookie, 200, `{"data":{"name":"anonymous c"}}`},
		{"machine", cookie, 403, "auth.wrong_principal"},
		{"", "", 401, "auth.invalid_token"},
		{"", thingCookie.Name + "=", 401, "auth.invalid_token"},
		{"", cookie + "; " + cookie, 401, "auth.invalid_token"},
		{"old", "other=c", 401, "auth.invalid_token"},
	} {
		header := []string{"Cookie", c.cookie}
		if c.token != "" {
			header = append(header, "Authorization", "Bearer "+c.token)
		}
		a := ask(t, rt, http.MethodPost, "/leave", "", header...)
		if got := cmp.Or(a.code, a.Body.String()); a.Code != c.status || got != c.want {
			t.Errorf("%q with %q: %d %s", c.token, c.cookie, a.Code, a.Body)
		}
	}
	op := rt.Operations()[0]
	if !op.CookieAuth || !slices.Equal(op.Callers, []string{wire.SchemeUser}) {
		t.Errorf("%+v", op)
	}
	defer func() {
		if recover() == nil {
			t.Error("a route without a cookie was registered")
		}
	}()
	route.Cookie = wire.Cookie{}
	wire.Handle(newRouter(nil).UsersOrCookie("", thingTag), route,
		func(context.Context, *wire.Call, wire.UserOrCookie, wire.None) (wire.Empty, error) {
			return wire.Empty{}, nil
		})
}

// TestPlaces: a handler gets the place that the path names, each part of which must
// be there for this caller, and a route at a place names a right.
func TestPlaces(t *testing.T) {
	t.Parallel()
	rt := newRouter(nil)
	route := wire.Route{
		Method: http.MethodGet, Path: "/where", ID: "where", Summary: "Where", About: "Says it.",
		Needs: permission.AccountView, Status: http.StatusOK,
	}
	wire.Handle(rt.InApplication("", thingTag), route,
		func(_ context.Context, _ *wire.Call, by wire.At[scope.Application], _ wire.None) (wire.Data[string], error) {
			return wire.Of(by.In.Account.Slug+" "+by.In.Slug, nil)
		})
	route.ID = "whereInside"
	wire.Handle(rt.InEnvironment("", thingTag), route,
		func(ctx context.Context, _ *wire.Call, by wire.At[scope.Environment], _ wire.None) (wire.Data[string], error) {
			scope.Note(ctx, 1)
			return wire.Of(by.In.Application.Slug+" "+by.In.Slug, nil)
		})
	for path, want := range map[string]string{
		"/acme/applications/lease-desk/where":                              `{"data":"acme lease-desk"}`,
		"/acme/applications/lease-desk/environments/production/where":      `{"data":"lease-desk production"}`,
		"/acme/applications/other/where":                                   "applications.not_found",
		"/acme/applications/other/environments/production/where":           "applications.not_found",
		"/acme/applications/lease-desk/environments/other/where":           "environments.not_found",
		"/northwind/applications/lease-desk/where":                         "account.not_found",
		"/northwind/applications/lease-desk/environments/production/where": "account.not_found",
	} {
		a := ask(t, rt, http.MethodGet, "/portal/v1/accounts"+path, "", "Authorization", "Bearer admin")
		if a.Body.String() != want && (a.Code != 404 || a.code != want) {
			t.Errorf("%s: %d %s, want %s", path, a.Code, a.Body, want)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a route at a place without a right was registered")
		}
	}()
	route.Needs = ""
	wire.Handle(rt.InAccount("", thingTag), route,
		func(context.Context, *wire.Call, wire.At[scope.Account], wire.None) (wire.Empty, error) {
			return wire.Empty{}, nil
		})
}

// TestDeclaredVersionsAreUsed: a route that says ETag or If-Match and whose handler
// forgets it fails each call.
func TestDeclaredVersionsAreUsed(t *testing.T) {
	t.Parallel()
	rt := newRouter(nil)
	for path, handler := range map[string]func(*wire.Call){
		"/no-etag":  func(c *wire.Call) { _ = c.Version() },
		"/no-match": func(c *wire.Call) { c.SetVersion(1) },
	} {
		wire.Handle(rt.Users("", thingTag), wire.Route{
			Method: http.MethodPatch, Path: path, ID: path, Summary: "X", About: "X.", ETag: true, IfMatch: true,
			Status: http.StatusOK, Faults: []*fault.Error{fault.VersionConflict},
		}, func(_ context.Context, c *wire.Call, _ principal.User, in thing) (wire.Data[thing], error) {
			handler(c)
			return wire.Of(in, nil)
		})
		if a := ask(t, rt, http.MethodPatch, path, `{"name":"x"}`, "Authorization", "Bearer owner"); a.Code != 500 {
			t.Errorf("%s: %d %s", path, a.Code, a.Body)
		}
	}
}

func takesThing(context.Context, *wire.Call, principal.Actor, thing) (wire.Empty, error) {
	return wire.Empty{}, nil
}

// TestUnlistedParameterCannotBeRead: a handler that reads what its route does not
// list fails each call, so no test of it passes.
func TestUnlistedParameterCannotBeRead(t *testing.T) {
	t.Parallel()
	rt := newRouter(nil)
	wire.Handle(rt.Public("", thingTag), wire.Route{
		Method: http.MethodGet, Path: "/things", ID: "x", Summary: "X", About: "X.", Status: http.StatusOK,
	}, func(_ context.Context, c *wire.Call, _ principal.Actor, _ wire.None) (wire.Data[string], error) {
		return wire.Of(thingID.Of(c).String(), nil)
	})
	if a := ask(t, rt, http.MethodGet, "/things", ""); a.Code != 500 || a.code != "server.internal" {
		t.Errorf("%d %s", a.Code, a.Body)
	}
}

// TestStream: a stream is sent as it comes, and cut where it fails.
func TestStream(t *testing.T) {
	t.Parallel()
	rt := newRouter(nil)
	for path, fails := range map[string]bool{"/good": false, "/bad": true} {
		wire.Handle(rt.Public("", thingTag), wire.Route{
			Method: http.MethodGet, Path: path, ID: "x", Summary: "X", About: "X.", Status: http.StatusOK,
		}, func(context.Context, *wire.Call, principal.Actor, wire.None) (wire.Streamed[wire.None], error) {
			return wire.Streamed[wire.None]{Write: func(_ context.Context, w *wire.StreamWriter) error {
				if _, err := io.WriteString(w, strings.Repeat(" ", 2<<20)+`{"items":[]}`); err != nil || !fails {
					return err
				}
				return io.ErrUnexpectedEOF
			}}, nil
		})
	}
	s := httptest.NewServer(rt)
	defer s.Close()
	for path, whole := range map[string]bool{"/good": true, "/bad": false} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := s.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(res.Body)
		res.Body.Close()
		if whole != (err == nil) || whole && !strings.HasSuffix(string(raw), `{"items":[]}`) {
			t.Errorf("%s: %d bytes, %v", path, len(raw), err)
		}
	}
}
