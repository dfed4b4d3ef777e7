package credential

import (
	"time"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/mail"
)

type (
	linkKind     struct{}
	passwordKind struct{}
)

type (
	linkID     = id.Of[linkKind]
	passwordID = id.Of[passwordKind]
)

// purpose says what a link is good for.
type purpose string

const (
	toReset  purpose = "password_reset"
	toVerify purpose = "verify_email"
)

// life is how long a link of the purpose works.
func (p purpose) life() time.Duration {
	if p == toReset {
		return time.Hour
	}
	return 24 * time.Hour
}

// mail is what carries it.
func (p purpose) mail() mail.Kind {
	if p == toReset {
		return mail.IdentityPasswordReset
	}
	return mail.IdentityVerifyEmail
}

const (
	// keepEnded is how long an ended link is remembered, so that it is answered as too old and
	// not as unknown.
	keepEnded = 7 * 24 * time.Hour
	// keepPasswords is how many replaced passwords of somebody are remembered, whatever the
	// length of the history: it may be set to more later.
	keepPasswords = 24
)

// The faults of credentials.
var (
	ErrInactive        = fault.New(fault.Conflict, "identities.inactive", "The identity is switched off")
	ErrAlreadyVerified = fault.New(fault.Conflict, "identities.already_verified", "The e-mail is verified already")
)

// The events of credentials.
var (
	PasswordSet = event.Type[event.None]{
		Action: "identity.password.admin_set", Category: event.Identity, Resource: "identity", Severity: event.Warning,
		On:    event.Both,
		About: "An administrator set the password of an identity.",
	}
	ResetRequested = event.Type[event.None]{
		Action: "identity.password.admin_reset_requested", Category: event.Identity, Resource: "identity",
		On:       event.Both,
		Severity: event.Notice, About: "An administrator had a reset link mailed to an identity.",
	}
	EmailVerified = event.Type[EmailPayload]{
		Action: "identity.email.admin_verified", On: event.Both, Category: event.Identity, Resource: "identity",
		Severity: event.Warning, About: "An administrator vouched for the address of an identity.",
	}
	VerificationResent = event.Type[event.None]{
		Action: "identity.verification.admin_resent", Category: event.Identity, Resource: "identity",
		On:    event.Both,
		About: "An administrator had a verification link mailed to an identity.",
	}
)

// EmailPayload says which address.
type EmailPayload struct {
	Email string `json:"email"`
}

// NewPassword is a password that an administrator sets.
type NewPassword struct {
	Password string `json:"password" doc:"8 to 64 characters, and in no known breach."`
}

// Rules implements text.Ruled.
func (p *NewPassword) Rules(f *text.Fields) {
	f.Field("password", &p.Password, text.IdentityPasswordRule)
}
