package servertest

import (
	"regexp"
	"slices"
	"strings"

	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/portal/signup"
)

// Password is good for every person of a test.
const Password = "Correct-Horse-7"

// Invites is the path of an Account's invites.
func Invites(slug string) string { return "/portal/v1/accounts/" + slug + "/user-invites" }

// Invitation is the body that invites Dana.
func Invitation(email string) Map {
	return Map{"email": email, "first_name": "Dana", "last_name": "Cole"}
}

// Acceptance is the body with which Dana accepts an invite.
func Acceptance(token string) Map {
	return Map{"token": token, "first_name": "Dana", "last_name": "Cole", "password": Password}
}

// Registration is the body with which Alex signs up.
func Registration(email string) Map {
	return Map{
		"email": email, "password": Password, "first_name": "Alex", "last_name": "Reed",
		"account_name": "Acme", "application_name": "Desk",
	}
}

// Credentials is the body that signs in.
func Credentials(email, password string) Map { return Map{"email": email, "password": password} }

// Deliver sends all mail that is due.
func (s *Server) Deliver() {
	s.t.Helper()
	s.Wait()
	if _, err := s.Worker.RunDue(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

var token = regexp.MustCompile(`#token=([A-Za-z0-9_-]{43})`)

// MailedToken is the token of the newest mail to an address.
func (s *Server) MailedToken(to string) string {
	s.t.Helper()
	s.Deliver()
	for _, mail := range slices.Backward(s.Mail.Messages()) {
		if m := token.FindStringSubmatch(mail.Text); mail.To == to && m != nil {
			return m[1]
		}
	}
	s.t.Fatalf("no mail with a link was sent to %s", to)
	return ""
}

// SignUp registers and verifies a person, who is then signed in as the owner of
// a new Account. The slug of the Account is the second result.
func (s *Server) SignUp(email, accountName string) (*Client, string) {
	s.t.Helper()
	c, body := s.Client(), Registration(email)
	body["account_name"] = accountName
	a := c.Must(201, "POST", "/v1/auth/register", body)
	c.Must(200, "POST", "/v1/auth/verify-email", Map{"token": s.MailedToken(email)})
	c.SignIn(email)
	return c, a.Text("data", "account", "slug")
}

// Bootstrap makes an Account and its owner as the command of that name does, and
// signs the owner in. The slug of the Account is the second result.
func (s *Server) Bootstrap(email, accountName string) (*Client, string) {
	s.t.Helper()
	r, err := s.Signups.Bootstrap(s.t.Context(), principal.System(), signup.Params{
		Email: email, Password: Password, FirstName: "Alex", LastName: "Reed",
		AccountName: accountName, ApplicationName: "Desk",
	})
	if err != nil {
		s.t.Fatal(err)
	}
	c := s.Client()
	c.SignIn(email)
	return c, r.AccountSlug
}

// SignIn signs a person in who has one Account and Application.
func (c *Client) SignIn(email string) {
	c.s.t.Helper()
	c.Token = c.Must(200, "POST", "/v1/auth/login", Credentials(email, Password)).Text("data", "access_token")
}

// Acme is a server with the Account Acme, whose owner is Alex.
type Acme struct {
	*Server
	Alex *Client
	Slug string
}

// Acme signs alex@acme.com up.
func (s *Server) Acme() Acme {
	s.t.Helper()
	alex, slug := s.SignUp("alex@acme.com", "Acme")
	return Acme{s, alex, slug}
}

// Invite invites an address and gives the invite's id and link token.
func (w Acme) Invite(email string) (inviteID, token string) {
	w.t.Helper()
	inviteID = w.Alex.Must(201, "POST", Invites(w.Slug), Invitation(email)).Text("data", "id")
	return inviteID, w.MailedToken(email)
}

// Join brings a new admin in.
func (w Acme) Join(email string) *Client {
	w.t.Helper()
	_, token := w.Invite(email)
	c := w.Client()
	c.Must(200, "POST", "/v1/auth/accept-invite", Acceptance(token))
	c.SignIn(email)
	return c
}

// InviteStatus is the current status of an invite.
func (w Acme) InviteStatus(inviteID string) string {
	w.t.Helper()
	return w.Alex.Must(200, "GET", Invites(w.Slug)+"/"+inviteID, nil).Text("data", "status")
}

// People are the addresses of the Account's people.
func (w Acme) People() string {
	w.t.Helper()
	var list []string
	users := w.Alex.Must(200, "GET", "/portal/v1/accounts/"+w.Slug+"/users?sort_by=email&order=asc", nil)
	for _, item := range users.At("items").([]any) {
		list = append(list, item.(Map)["email"].(string))
	}
	return strings.Join(list, " ")
}
