package portaltest

import (
	"errors"
	"fmt"
	"strings"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/portal/session"
	"canopy.dev/canopy/internal/portal/signup"
	"canopy.dev/canopy/internal/tenant/application"
)

// Password is good, and every person's.
const Password = "Correct-Horse-7"

// Guest is somebody without a credential who calls from an address.
func Guest(ip string) principal.Actor {
	return principal.Actor{
		Kind:    principal.KindAnonymous,
		Request: principal.Request{ID: "req-1", IP: ip, Network: ip, UserAgent: "Browser/1.0"},
	}
}

// Params is a sign-up of an address for a new Account with one Application.
func Params(email, accountName string) signup.Params {
	return signup.Params{
		Email: email, Password: Password, FirstName: "Alex", LastName: "Reed",
		AccountName: accountName, ApplicationName: "Desk",
	}
}

// Company is an Account with its first Application.
type Company struct {
	scope.Account
	Desk scope.ApplicationID
}

// Company makes an Account whose owner is a new user of that address.
func (p *Portal) Company(name, email string) Company {
	p.t.Helper()
	r, err := p.Signups.Bootstrap(p.t.Context(), principal.System(), Params(email, name))
	if err != nil {
		p.t.Fatal(err)
	}
	return Company{scope.Account{ID: r.AccountID, Slug: r.AccountSlug}, r.ApplicationID}
}

// Application adds one to an Account.
func (p *Portal) Application(in scope.Account, name string) scope.ApplicationID {
	p.t.Helper()
	return dbtest.Write(p.t, p.DB, func(tx *database.Tx) (scope.ApplicationID, error) {
		n := application.NewParams{
			ID: id.New[scope.ApplicationID](tx.Now), Account: in.ID, Name: name, Slug: strings.ToLower(name),
		}
		return n.ID, p.Applications.Create(p.t.Context(), tx, principal.System(), n)
	})
}

// Person makes a user who belongs to no Account.
func (p *Portal) Person(email string) portaluser.User {
	p.t.Helper()
	hash, err := p.Guard.Hash(p.t.Context(), principal.System(), Password)
	if err != nil {
		p.t.Fatal(err)
	}
	return dbtest.Write(p.t, p.DB, func(tx *database.Tx) (portaluser.User, error) {
		first, _, _ := strings.Cut(email, "@")
		u, _, err := portaluser.Create(p.t.Context(), tx, principal.System(), scope.AccountID{}, portaluser.NewParams{
			ID: id.New[portaluser.ID](tx.Now), Email: email, FirstName: first, LastName: "Cole", PasswordHash: hash,
		})
		return u, err
	})
}

// Join brings a person into an Account, who is made if there is none of that
// address.
func (p *Portal) Join(in scope.Account, email string, role permission.AccountRole) portaluser.User {
	p.t.Helper()
	u, known := p.find(email)
	if !known {
		u = p.Person(email)
	}
	dbtest.Do(p.t, p.DB, func(tx *database.Tx) error {
		_, err := portaluser.Join(p.t.Context(), tx, in.ID, u.ID, role)
		return err
	})
	return u
}

func (p *Portal) find(email string) (u portaluser.User, known bool) {
	p.t.Helper()
	dbtest.Do(p.t, p.DB, func(tx *database.Tx) (err error) {
		u, known, err = portaluser.ByEmail(p.t.Context(), tx, email)
		return err
	})
	return u, known
}

// User is the user of an address as the store has it now.
func (p *Portal) User(email string) portaluser.User {
	p.t.Helper()
	u, known := p.find(email)
	if !known {
		p.t.Fatalf("%s is no user", email)
	}
	return u
}

// SetActive switches a membership on or off, and nothing else.
func (p *Portal) SetActive(in scope.Account, u portaluser.User, active bool) {
	p.t.Helper()
	dbtest.Do(p.t, p.DB, func(tx *database.Tx) error {
		return portaluser.SetMemberActive(p.t.Context(), tx, in.ID, u.ID, active)
	})
}

// Login tries a password from an address.
func (p *Portal) Login(by principal.Actor, email, password string) (session.SignIn, error) {
	return p.Sessions.Login(p.t.Context(), by, session.Credentials{Email: email, Password: password})
}

// SignIn opens a session of a person who has one Account and Application.
func (p *Portal) SignIn(email string) *session.Bound {
	p.t.Helper()
	in, err := p.Login(Guest("192.0.2.1"), email, Password)
	if err != nil || in.Bound == nil {
		p.t.Fatalf("%s is not signed in: %+v, %v", email, in, err)
	}
	return in.Bound
}

// Caller is whom an access token stands for.
func (p *Portal) Caller(b *session.Bound) principal.User {
	p.t.Helper()
	who, err := p.Sessions.Authenticate(p.t.Context(), b.AccessToken)
	u, is := who.(principal.User)
	if err != nil || !is {
		p.t.Fatalf("the access token of %s stands for %v, %v", b.User.Email, who, err)
	}
	return u
}

// LockOut locks an address by ten wrong passwords from as many IPs.
func (p *Portal) LockOut(email string) {
	p.t.Helper()
	for n := range 10 {
		_, err := p.Login(Guest(fmt.Sprintf("198.51.100.%d", n)), email, "Wrong-Horse-7")
		if !errors.Is(err, portaluser.ErrInvalidCredentials) {
			p.t.Fatal(err)
		}
	}
}
