package server_test

import (
	"bufio"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/server/servertest"
)

// TestOddTextsAreRefusedEverywhere: U+0000, broken UTF-8 and lone surrogates, in each part
// of a request that a caller fills, are no failure of ours on either engine.
func TestOddTextsAreRefusedEverywhere(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		alex, slug := s.SignUp("alex@acme.com", "Acme")
		for _, r := range s.Router.Operations() {
			alex.SignIn("alex@acme.com") // the route before may have ended the session
			good := strings.NewReplacer("{accountSlug}", slug, "{id}", servertest.NoID).Replace(r.Path)
			for _, odd := range []string{"%00", "a%00b", "%ff", "%ed%a0%80", "%F0%90", "%0d%0aX:%20y", "%E2%80%AE"} {
				paths := []string{
					good + "?q=" + odd + "&token=" + odd + "&status=" + odd + "&sort_by=" + odd + "&order=" + odd + "&page=" + odd,
					good + "?" + odd + "=1",
				}
				if good != r.Path {
					paths = append(paths, strings.NewReplacer("{accountSlug}", odd, "{id}", servertest.NoID).Replace(r.Path),
						strings.NewReplacer("{accountSlug}", slug, "{id}", odd).Replace(r.Path))
				}
				for _, path := range paths {
					a := alex.Do(r.Method, path, nil, "Cookie", "canopy_refresh="+odd+"; canopy_known="+odd,
						"User-Agent", "\xff\xfe", "X-Request-Id", "\xff", "Idempotency-Key", "k", "If-Match", "\xff")
					if a.Status >= 500 {
						t.Errorf("%s %s: %d %s", r.Method, path, a.Status, a.Raw)
					}
				}
			}
			for _, odd := range []string{`\u0000`, `\ud800`, `\udc00\ud800`, "\xff", "\xed\xa0\x80"} {
				var fields []string
				for _, name := range []string{
					"email", "password", "token", "first_name", "last_name", "account_name", "application_name", "name",
					"current_password", "new_password", "account_id", "application_id", "account_role",
				} {
					fields = append(fields, `"`+name+`":"a`+odd+`b"`)
					if r.Method == http.MethodGet || r.Method == http.MethodDelete {
						continue
					}
					w := fuzzed(t, s, r.Method, good, alex.Token, `{"`+name+`":"a`+odd+`b"}`)
					if w.Code >= 500 || w.Code < 400 {
						t.Errorf("%s %s with %q in %s: %d %s", r.Method, good, odd, name, w.Code, w.Body)
					}
				}
				if r.Method != http.MethodGet && r.Method != http.MethodDelete {
					w := fuzzed(t, s, r.Method, good, alex.Token, "{"+strings.Join(fields, ",")+"}")
					if w.Code >= 500 {
						t.Errorf("%s %s with %q: %d %s", r.Method, good, odd, w.Code, w.Body)
					}
				}
			}
		}
	})
}

// TestForeignIDWalk asks every route that names a thing by its id with the ids of another
// Account's things: each answer is the one for an id that nobody has.
func TestForeignIDWalk(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		mine, slug := s.SignUp("alex@acme.com", "Acme")
		noa, other := s.SignUp("noa@northwind.com", "Northwind")
		user := noa.Must(200, "GET", "/v1/auth/me", nil).Text("data", "id")
		invited := noa.Must(201, "POST", servertest.Invites(other), servertest.Invitation("dana@acme.com"))
		foreign := map[string]string{
			"user":    user,
			"invite":  invited.Text("data", "id"),
			"session": noa.Must(200, "GET", "/v1/auth/sessions", nil).At("items").([]any)[0].(m)["id"].(string),
		}
		maps.Copy(foreign, things(noa, "another's ", "/portal/v1/accounts/"+other+inDesk))
		sibling := "/portal/v1/accounts/" + slug + "/applications/desk/environments/production"
		maps.Copy(foreign, things(mine, "a sibling's ", sibling))
		s.Clock.Advance(6 * time.Minute) // past the cooldown of an invite
		walked := 0
		for _, r := range s.Router.Operations() {
			if !strings.Contains(r.Path, "{id}") {
				continue
			}
			walked++
			ask := func(id string) answer {
				a := mine.Do(r.Method, place(slug, id).Replace(r.Path), bodyFor(r))
				if e, ok := a.At("error").(m); ok {
					delete(e, "timestamp")
					delete(e, "path")
				}
				return a
			}
			unknown := ask(servertest.NoID)
			if unknown.Status != 404 {
				t.Errorf("%s %s of nobody's id: %d %s", r.Method, r.Path, unknown.Status, unknown.Raw)
			}
			for kind, id := range foreign {
				inEnvironment := strings.HasPrefix(r.Path, "/api/v1/") || strings.Contains(r.Path, "/environments/")
				if (kind == "a sibling's identity" || kind == "a sibling's invite") && !inEnvironment {
					continue // who is in one Environment is known to the Application and the Account, and so is who is invited
				}
				if a := ask(id); a.Status != 404 || !cmp.Equal(unknown.Body, a.Body) {
					t.Errorf("%s %s of a foreign %s: %d %s", r.Method, r.Path, kind, a.Status, a.Raw)
				}
			}
		}
		if walked < 9 {
			t.Errorf("only %d routes were walked", walked)
		}
		is := noa.Must(200, "GET", servertest.Invites(other)+"/"+foreign["invite"], nil)
		if is.Text("data", "status") != "pending" || is.At("data", "send_count") != 1. {
			t.Errorf("something changed: %s", is.Raw)
		}
	})
}

// place fills the path of a route in the Environment development of an Account.
func place(account, id string) *strings.Replacer {
	return strings.NewReplacer("{accountSlug}", account, "{appSlug}", "desk", "{envSlug}", "development", "{id}", id,
		"{sessionId}", servertest.NoID, "{appId}", servertest.NoID, "{deliveryId}", servertest.NoID)
}

// things makes one of each thing that an Environment can have, and gives their ids.
func things(c *servertest.Client, whose, environment string) map[string]string {
	root, reader := c.Tree(environment), c.Role(environment, "Reader")
	return map[string]string{
		whose + "identity":   c.Must(201, "POST", environment+"/identities", newIdentity("")).Text("data", "id"),
		whose + "assignment": c.Assign(environment, c.Person(environment, "ann"), root, reader),
		whose + "root":       root,
		whose + "node":       c.Node(environment, root, "region", "North"),
		whose + "permission": c.Must(201, "POST", environment+"/permissions", newPermission("lease.see")).Text("data", "id"),
		whose + "role":       reader,
		whose + "invite": c.Must(201, "POST", environment+"/identity-invites", newIdentity("invited")).
			Text("data", "id"),
		whose + "key":     c.Must(201, "POST", environment+"/api-keys", newKey()).Text("data", "id"),
		whose + "webhook": c.Must(201, "POST", environment+"/webhooks", newWebhook()).Text("data", "id"),
	}
}

// newIdentity is the body that makes somebody.
func newIdentity(name string) m {
	return m{"email": strings.ReplaceAll(name, " ", "") + "dana@acme.com", "first_name": "Dana", "last_name": "Cole"}
}

// bodies are what routes take that want something.
var bodies = map[string]m{
	"updateAssignment":   {"role_id": servertest.NoID},
	"updateMember":       {"account_role": "admin"},
	"setRolePermissions": {"permission_keys": []string{}},
	"updateApiKey":       {"is_active": false},
	"moveNode":           {"parent_node_id": servertest.NoID},

	"replayWebhook":          always(),
	"replayWebhookInAccount": always(),

	"setIdentityPassword":        {"password": "correct horse battery"},
	"setDirectoryIdentityStatus": {"is_active": false},
	"addToApplication":           {"application_id": servertest.NoID},
}

// bodyFor is a body that the route takes.
func bodyFor(r wire.Operation) any {
	if r.Method == http.MethodGet || r.Method == http.MethodDelete {
		return nil
	}
	if body := bodies[strings.TrimSuffix(r.ID, "InPortal")]; body != nil {
		return body
	}
	return m{}
}

// TestRawRequests: what no client library sends is refused or understood, and never as two
// requests.
func TestRawRequests(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, database.SQLite, nil)
	host := strings.TrimPrefix(s.URL, "http://")
	const body = `{"email":"a@b.test","password":"Wrong-Horse-7"}`
	const chunked, evil = "Transfer-Encoding: chunked\r\n", "evil.example:443"
	end := " HTTP/1.1\r\nHost: " + host + "\r\n\r\n"
	post := "POST /v1/auth/login HTTP/1.1\r\nHost: " + host + "\r\nContent-Type: application/json\r\n"
	get := "GET /v1/auth/me HTTP/1.1\r\nHost: " + host + "\r\n"
	for what, c := range map[string]struct {
		raw  string
		want []int
	}{
		"as it should be":             {post + "Content-Length: 47\r\n\r\n" + body, []int{401}},
		"length and chunks":           {post + "Content-Length: 47\r\n" + chunked + "\r\n0\r\n\r\n" + get, []int{400}},
		"two lengths":                 {post + "Content-Length: 47\r\nContent-Length: 2\r\n\r\n" + body, []int{400}},
		"two lengths in one":          {post + "Content-Length: 47, 2\r\n\r\n" + body, []int{400}},
		"a length below nothing":      {post + "Content-Length: -1\r\n\r\n" + body, []int{400}},
		"a length with a sign":        {post + "Content-Length: +47\r\n\r\n" + body, []int{400}},
		"a length that is no number":  {post + "Content-Length: 0x2f\r\n\r\n" + body, []int{400}},
		"an encoding twice":           {post + chunked + chunked + "\r\n0\r\n\r\n", []int{400, 501}},
		"an encoding that is none":    {post + "Transfer-Encoding: xchunked\r\n\r\n" + body, []int{400, 501}},
		"an encoding with a tab":      {post + "Transfer-Encoding:\tchunked, identity\r\n\r\n0\r\n\r\n", []int{400, 501}},
		"a chunk that is no number":   {post + "Transfer-Encoding: chunked\r\n\r\nzz\r\n" + body, []int{400}},
		"a chunk of more than all":    {post + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n" + body, []int{400}},
		"no host":                     {"GET /v1/auth/me HTTP/1.1\r\n\r\n", []int{400}},
		"two hosts":                   {get + "Host: evil.example\r\n\r\n", []int{400}},
		"a host with a path":          {"GET /v1/auth/me HTTP/1.1\r\nHost: a/b\r\n\r\n", []int{400, 421}},
		"a space before the colon":    {get + "X-A : b\r\n\r\n", []int{400}},
		"a name without a colon":      {get + "X-A\r\n\r\n", []int{400}},
		"a folded header":             {get + "X-A: b\r\n c\r\n\r\n", []int{400, 401}},
		"a NUL in a header":           {get + "X-A: a\x00b\r\n\r\n", []int{400}},
		"a carriage return in one":    {get + "X-A: a\rb\r\n\r\n", []int{400}},
		"no method":                   {" /v1/auth/me" + end, []int{400}},
		"an unknown method":           {"BREW /v1/auth/me" + end, []int{405}},
		"CONNECT":                     {"CONNECT " + evil + " HTTP/1.1\r\nHost: " + evil + "\r\n\r\n", []int{400, 404, 421}},
		"a star":                      {"OPTIONS *" + end, []int{200, 400, 404}},
		"a version that is none":      {"GET /v1/auth/me HTTP/9.9\r\nHost: " + host + "\r\n\r\n", []int{400, 505}},
		"a path out of the root":      {"GET /../../etc/passwd" + end, []int{301, 307, 400, 404}},
		"an encoded slash":            {"GET /v1/auth%2fme" + end, []int{404}},
		"a bad escape":                {"GET /v1/auth/%zz" + end, []int{400}},
		"a header larger than any":    {get + "X-A: " + strings.Repeat("a", 2<<20) + "\r\n\r\n", []int{431}},
		"the preface of another HTTP": {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", []int{400, 404, 405, 421, 505}},
	} {
		t.Run(strings.ReplaceAll(what, " ", "-"), func(t *testing.T) {
			t.Parallel()
			conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", host)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
			_, _ = conn.Write([]byte(c.raw)) // the server may hang up before it has all
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if !slices.Contains(c.want, res.StatusCode) {
				t.Errorf("%s, want one of %v", res.Status, c.want)
			}
			ours := res.Header.Get("Content-Type") == "application/json"
			if res.StatusCode == http.StatusBadRequest && !ours && !res.Close {
				t.Error("the connection goes on after what could be the half of another request")
			}
		})
	}
}
