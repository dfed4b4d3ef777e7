package servertest

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/server"
)

// NoID and NoToken are well-formed and name nothing.
const (
	NoID    = "019daf52-4e20-7f58-a04d-ba41ecccc3fc"
	NoToken = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)

// Provoker makes requests that are refused. Each provocation has people and
// Accounts of its own, so one server serves many.
type Provoker struct {
	*Server
	people *int
}

// Provocation makes real requests; the answer of the last is looked at.
type Provocation func(t *testing.T, p Provoker) Answer

// Provoker makes people on this server.
func (s *Server) Provoker() Provoker { return Provoker{s, new(int)} }

// Address is one that nobody has yet.
func (p Provoker) Address() string {
	*p.people++
	return fmt.Sprintf("person-%d@acme.com", *p.people)
}

// Owner signs a new person up and gives the path of the new Account.
func (p Provoker) Owner() (c *Client, account string) {
	p.t.Helper()
	c, slug := p.SignUp(p.Address(), "Acme")
	return c, "/portal/v1/accounts/" + slug
}

// Colleague invites and signs in an admin, whose id is the result too.
func (p Provoker) Colleague(owner *Client, account string) (c *Client, email, id string) {
	p.t.Helper()
	email = p.Address()
	owner.Must(201, "POST", account+"/user-invites", Invitation(email))
	c = p.Client()
	c.Must(200, "POST", "/v1/auth/accept-invite", Acceptance(p.MailedToken(email)))
	c.SignIn(email)
	return c, email, c.Must(200, "GET", "/v1/auth/me", nil).Text("data", "id")
}

// Execute changes the store behind the server's back.
func (p Provoker) Execute(statement string, args ...any) {
	p.t.Helper()
	if _, err := p.DB.Pool().ExecContext(p.t.Context(), statement, args...); err != nil {
		p.t.Fatal(err)
	}
}

// DoorCodes are the codes that the routes of a door declare themselves. Those of
// the checks before every handler are the whole server's.
func DoorCodes(door string) []string { return Declared(server.Doors()[door]) }

// Declared are the codes that operations declare themselves.
func Declared(operations []wire.Operation) []string {
	own := map[string]bool{}
	for _, op := range operations {
		for _, f := range op.Faults {
			own[f.Code] = true
		}
	}
	return slices.Sorted(maps.Keys(own))
}

// EveryCode holds that each code is provoked on both engines and answered with
// the status of the catalogue: a code that no request can provoke is no code.
func EveryCode(t *testing.T, codes []string, provocations map[string]Provocation) {
	t.Helper()
	known := map[string]int{}
	for _, e := range server.Errors() {
		known[e.Code] = e.Status
	}
	for _, code := range codes {
		if provocations[code] == nil {
			t.Errorf("%s: no request of this test provokes it", code)
		}
	}
	for code := range provocations {
		if !slices.Contains(codes, code) {
			t.Errorf("%s: it is provoked, and none of these routes declares it", code)
		}
	}
	for _, engine := range []database.Engine{database.SQLite, database.Postgres} {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			all := New(t, engine, nil).Provoker()
			for _, code := range slices.Sorted(maps.Keys(provocations)) {
				t.Run(code, func(t *testing.T) {
					a := provocations[code](t, Provoker{all.For(t), all.people})
					if a.Code() != code || a.Status != known[code] {
						t.Errorf("answered %d %s, want %d %s", a.Status, a.Raw, known[code], code)
					}
				})
			}
		})
	}
}
