package portalapi

import (
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/portal/session"
	"canopy.dev/canopy/internal/tenant/account"
	"canopy.dev/canopy/internal/tenant/application"
)

// The tags of the operations, by task.
var (
	tagSignUp   = wire.Tag{Name: "Sign-up", About: "From a first visit to an Account with a proven address."}
	tagSignIn   = wire.Tag{Name: "Sign-in", About: "Opening, renewing and ending the session of a portal user."}
	tagPassword = wire.Tag{Name: "Passwords", About: "Forgotten and changed passwords of portal users."}
	tagSelf     = wire.Tag{Name: "Current user", About: "Who is signed in, where, and with what rights."}
	tagUsers    = wire.Tag{Name: "Users", About: "The portal users of an Account and their roles."}
	tagInvites  = wire.Tag{Name: "User invites", About: "How a colleague becomes a portal user of an Account."}
	tagKeys     = wire.Tag{Name: "Keys", About: "What other servers need to verify access tokens."}
)

// User is a portal user as answers about signing in show them.
type User struct {
	ID        portaluser.ID `json:"id"         doc:"The user's id."`
	Email     string        `json:"email"      doc:"The user's address." format:"email" example:"alex@acme.example"`
	FirstName string        `json:"first_name" doc:"First name." example:"Alex" maxLength:"100"`
	LastName  string        `json:"last_name"  doc:"Last name." example:"Reed" maxLength:"100"`
}

func viewUser(u portaluser.User) User { return User{u.ID, u.Email, u.FirstName, u.LastName} }

// namedAccount is an Account that is only named.
type namedAccount struct {
	ID   account.ID `json:"id"   doc:"The Account's id."`
	Name string     `json:"name" doc:"Its name." example:"Acme Realty" maxLength:"100"`
	Slug string     `json:"slug" doc:"Its slug, for paths." example:"acme-realty" maxLength:"63"`
}

// namedApplication is an Application that is only named.
type namedApplication struct {
	ID   application.ID `json:"id"   doc:"The Application's id."`
	Name string         `json:"name" doc:"Its name." example:"Lease Desk" maxLength:"100"`
	Slug string         `json:"slug" doc:"Its slug, for paths." example:"lease-desk" maxLength:"63"`
}

func viewApplication(a application.Application) namedApplication {
	return namedApplication{a.ID, a.Name, a.Slug}
}

// accountChoice is an Account that a person can enter.
type accountChoice struct {
	AccountID    account.ID             `json:"account_id"   doc:"The Account's id."`
	AccountName  string                 `json:"account_name" doc:"Its name." example:"Acme Realty" maxLength:"100"`
	AccountSlug  string                 `json:"account_slug" doc:"Its slug, for paths." example:"acme-realty" maxLength:"63"`
	AccountRole  permission.AccountRole `json:"account_role,omitempty" doc:"The person's role there."`
	Applications []namedApplication     `json:"applications" doc:"Its Applications, the oldest first."`
}

func viewChoice(c session.Choice) accountChoice {
	v := accountChoice{
		AccountID: c.Membership.Account.ID, AccountName: c.Membership.AccountName,
		AccountSlug: c.Membership.Account.Slug, Applications: []namedApplication{},
	}
	for _, a := range c.Applications {
		v.Applications = append(v.Applications, viewApplication(a))
	}
	return v
}

// emailBody names an address that a mail is asked for.
type emailBody struct {
	Email string `json:"email" doc:"The address that the mail is to go to."`
}

// Rules implements text.Ruled.
func (b *emailBody) Rules(f *text.Fields) { f.Field("email", &b.Email, text.EmailRule) }

// LimitedBy implements wire.Limited.
func (b *emailBody) LimitedBy() string { return b.Email }

// tokenBody brings a token out of a mail.
type tokenBody struct {
	Token string `json:"token" doc:"From the mail."`
}

// Rules implements text.Ruled.
func (b *tokenBody) Rules(f *text.Fields) { f.Field("token", &b.Token, text.TokenRule) }
