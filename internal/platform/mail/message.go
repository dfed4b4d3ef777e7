package mail

import (
	"log/slog"
	"time"
)

// Kind names a mail. The values are kept in the outbox.
type Kind string

// The mails of user-invites.md § 8 and portal-auth.md § 9.
const (
	UserInvite        Kind = "user_invite"        // an invitation to an Account; carries a token
	VerifyEmail       Kind = "verify_email"       // confirms the address of a sign-up; carries a token
	AlreadyRegistered Kind = "already_registered" // a sign-up met an address that has a user
	PasswordReset     Kind = "password_reset"     // lets the user choose a new password; carries a token
	PasswordChanged   Kind = "password_changed"   // tells that the password was changed
	WebhookDisabled   Kind = "webhook_disabled"   // tells that a webhook was switched off, as it has been failing

	IdentityPasswordReset Kind = "identity_password_reset" // lets an identity choose a new password; carries a token
	IdentityVerifyEmail   Kind = "identity_verify_email"   // confirms the address of an identity; carries a token
	IdentityInvite        Kind = "identity_invite"         // an invitation to an Application; carries a token
	IdentityInviteReset   Kind = "identity_invite_reset"   // asks a member to choose a new password; carries a token
)

// Data is what a mail says. It is plain and JSON-marshalable, so that it can
// wait sealed in the outbox; with a Token it is a secret.
type Data struct {
	// Kind decides which of the other fields are read.
	Kind Kind
	// To is the recipient: one bare address, local@domain, in ASCII.
	To string
	// FirstName is the recipient's, for the greeting; all kinds.
	FirstName string
	// AccountName is read by UserInvite, VerifyEmail and WebhookDisabled, and by the mails to identities; in an
	// invitation it may be an Application's.
	AccountName string
	// ApplicationName is read by VerifyEmail.
	ApplicationName string
	// InviterEmail is read by UserInvite, IdentityInvite and IdentityInviteReset; empty when no person invited.
	InviterEmail string
	// Token is the secret of the link, in base64url; UserInvite, VerifyEmail,
	// PasswordReset and the mails to identities need it.
	Token string
	// ExpiresAt is when the link ends; the kinds with a Token need it.
	ExpiresAt time.Time
	// At is when it happened; PasswordChanged and WebhookDisabled need it.
	At time.Time
}

// LogValue shows the kind alone: a log never holds a token or an address.
func (d Data) LogValue() slog.Value { return slog.StringValue(string(d.Kind)) }

// Message is a mail ready to be sent. Text and HTML say the same. The bodies of
// the kinds that carry a token hold it.
type Message struct {
	// From is the sender as in a header: `"Canopy" <no-reply@localhost>`.
	From string
	// To is one bare address.
	To string
	// Subject is one of a few fixed texts.
	Subject string
	// Text and HTML are the bodies, in UTF-8, with lines ended by "\n".
	Text, HTML string
	// MessageID is left@right without angle brackets (RFC 5322, section 3.6.4).
	MessageID string
}

// LogValue shows the Message-ID alone.
func (m Message) LogValue() slog.Value { return slog.StringValue(m.MessageID) }
