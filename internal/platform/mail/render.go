package mail

import (
	"embed"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"net/url"
	"regexp"
	"strings"
	texttemplate "text/template"
	"time"
)

//go:embed templates
var files embed.FS

// form is what distinguishes one kind from another, besides its words.
type form struct {
	subject string
	page    string // below <publicURL>/app/: where the button leads
	token   bool   // the link carries the token and ends
	dated   bool   // the mail says when it happened
	// unproven says that the mail may go to an address which its owner has not proved.
	unproven bool
	account  string // stands in for the Account's name
}

var forms = map[Kind]form{
	UserInvite: {
		subject: "You have been invited", page: "accept-invite", token: true, unproven: true, account: someTeam,
	},
	VerifyEmail: {
		subject: "Confirm your e-mail address", page: "verify-email", token: true, unproven: true, account: ownAccount,
	},
	AlreadyRegistered: {subject: "You already have an account", page: "login"},
	PasswordReset:     {subject: "Reset your password", page: "reset-password", token: true},
	PasswordChanged:   {subject: "Your password was changed", page: "forgot-password", dated: true},
	WebhookDisabled:   {subject: "A webhook was switched off", page: "login", dated: true, account: ownAccount},
	IdentityPasswordReset: {
		subject: "Choose a new password", page: "identity/reset-password", token: true, unproven: true,
	},
	IdentityVerifyEmail: {
		subject: "Confirm your e-mail address", page: "identity/verify-email", token: true, unproven: true,
	},
	IdentityInvite: {
		subject: "You have been invited", page: "identity/accept-invite", token: true, unproven: true, account: someTeam,
	},
	IdentityInviteReset: {
		subject: "Choose a new password", page: "identity/accept-invite", token: true, unproven: true,
	},
}

// view is what the templates see. Its strings are safe in text; the HTML
// templates escape them for where they stand.
type view struct {
	Subject, Name, Account, Application, Inviter string
	Link, ForgotLink                             string
	Expires, At                                  string
}

// Renderer writes mails. It never changes after NewRenderer and is safe for
// concurrent use.
type Renderer struct {
	public *url.URL
	from   string
	domain string // right side of Message-IDs
	text   map[Kind]*texttemplate.Template
	html   map[Kind]*htmltemplate.Template
}

// NewRenderer makes a Renderer whose links all start with publicURL (http or
// https, with a host, without user, query or fragment; a path is kept) and whose
// mails come from from, an address with or without a name:
// `Canopy <no-reply@example.com>`. An error says which of the two is unusable.
func NewRenderer(publicURL *url.URL, from string) (*Renderer, error) {
	if publicURL == nil || publicURL.Scheme != "http" && publicURL.Scheme != "https" || publicURL.Hostname() == "" ||
		publicURL.User != nil || publicURL.RawQuery != "" || publicURL.Fragment != "" {
		return nil, errors.New("mail: the public URL must be http(s)://host, without user, query or fragment")
	}
	sender, err := parseSender(from)
	if err != nil {
		return nil, err
	}
	r := &Renderer{
		public: publicURL.JoinPath(), from: sender.String(),
		text: map[Kind]*texttemplate.Template{}, html: map[Kind]*htmltemplate.Template{},
	}
	r.domain = sender.Address[strings.LastIndexByte(sender.Address, '@')+1:]
	for kind := range forms {
		own := "templates/" + string(kind)
		if r.text[kind], err = texttemplate.ParseFS(files, "templates/layout.txt.tmpl", own+".txt.tmpl"); err != nil {
			return nil, err
		}
		if r.html[kind], err = htmltemplate.ParseFS(files, "templates/layout.html.tmpl", own+".html.tmpl"); err != nil {
			return nil, err
		}
	}
	return r, nil
}

var (
	base64url = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)
	dotAtom   = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)
)

// Render writes the mail of d. messageID is the left side of its Message-ID, at
// most letters, digits, ".", "_" and "-"; the sender's domain is the right side,
// so the same messageID always gives the same Message-ID.
//
// Names that are no plain words (text.PlainWords), or are longer than 60 characters in a
// mail to an address that may be unproven, give way to a neutral word. An error means
// that d can never be sent: an unknown kind, an address that is none, a missing
// or malformed token, a missing time. It repeats none of them.
func (r *Renderer) Render(d Data, messageID string) (Message, error) {
	s, known := forms[d.Kind]
	to, bare := bareAddress(d.To)
	switch {
	case !known:
		return Message{}, errors.New("mail: unknown kind")
	case !bare:
		return Message{}, fmt.Errorf("mail: %s: the recipient is not a bare ASCII address", d.Kind)
	case !dotAtom.MatchString(messageID):
		return Message{}, fmt.Errorf("mail: %s: the message id must be letters, digits, dots, dashes or underscores", d.Kind)
	case s.token && !base64url.MatchString(d.Token):
		return Message{}, fmt.Errorf("mail: %s: the token is missing or not base64url", d.Kind)
	case s.token && d.ExpiresAt.IsZero():
		return Message{}, fmt.Errorf("mail: %s: the date of expiry is missing", d.Kind)
	case s.dated && d.At.IsZero():
		return Message{}, fmt.Errorf("mail: %s: the time of the change is missing", d.Kind)
	}

	v := view{
		Subject: s.subject, Name: s.shown(d.FirstName, somebody), Account: s.shown(d.AccountName, s.account),
		Application: s.shown(d.ApplicationName, ""), Inviter: shownEmail(d.InviterEmail),
		Link: r.link(s.page, ""), ForgotLink: r.link("forgot-password", ""),
		Expires: readable(d.ExpiresAt), At: readable(d.At),
	}
	if s.token {
		v.Link = r.link(s.page, d.Token)
	}
	var text, html strings.Builder
	if err := r.text[d.Kind].ExecuteTemplate(&text, "layout.txt.tmpl", v); err != nil {
		return Message{}, fmt.Errorf("mail: %s: text: %w", d.Kind, err)
	}
	if err := r.html[d.Kind].ExecuteTemplate(&html, "layout.html.tmpl", v); err != nil {
		return Message{}, fmt.Errorf("mail: %s: html: %w", d.Kind, err)
	}
	return Message{
		From: r.from, To: to, Subject: s.subject, Text: text.String(), HTML: html.String(),
		MessageID: messageID + "@" + r.domain,
	}, nil
}

// link builds <publicURL>/app/<page>#token=<token>. The token stands in the
// fragment, which browsers never send to a server.
func (r *Renderer) link(page, token string) string {
	u := r.public.JoinPath("app", page)
	if token != "" {
		u.Fragment = "token=" + token
	}
	return u.String()
}

// readable gives a time to the minute in UTC, with the month in letters, so
// that no reader takes the day for the month.
func readable(t time.Time) string {
	return t.UTC().Format("Monday, 2 January 2006 at 15:04 UTC")
}
