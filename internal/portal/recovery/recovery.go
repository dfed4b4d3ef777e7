package recovery

import (
	"time"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/text"
)

// life is how long a reset link works; keepEnded is how long it is remembered
// after that, so that it is answered as too old and not as unknown.
const (
	life      = time.Hour
	keepEnded = 7 * 24 * time.Hour
)

type kind struct{}

// ID names a reset link. It proves nothing.
type ID = id.Of[kind]

// ErrSamePassword says that the new password is the current one.
var ErrSamePassword = fault.Validation.WithDetails("new_password must not be the current password")

// The events of passwords.
var (
	Requested = event.Type[event.None]{
		Action: "user.password.reset_requested", Category: event.Auth, Resource: "user",
		About: "A reset link was mailed to a portal user. A failure, about nobody, where the address asked for got none.",
	}
	Reset = event.Type[event.None]{
		Action: "user.password.reset", Category: event.Auth, Resource: "user", Severity: event.Notice,
		About: "A password was replaced by means of a reset link.",
	}
	Changed = event.Type[event.None]{
		Action: "user.password.changed", Category: event.Auth, Resource: "user", Severity: event.Notice,
		About: "A person replaced their own password.",
	}
)

// NewPassword is what a reset link is used with.
type NewPassword struct {
	Token    string `json:"token"    doc:"From the mail."`
	Password string `json:"password" doc:"8 to 128 characters with an upper-case letter, a lower-case letter, a digit and a special character."`
}

// Rules implements text.Ruled.
func (p *NewPassword) Rules(f *text.Fields) {
	f.Field("token", &p.Token, text.TokenRule)
	f.Field("password", &p.Password, text.PortalPasswordRule)
}

// PasswordChange is the current password and the one to replace it.
type PasswordChange struct {
	Current string `json:"current_password" doc:"The current password."`
	New     string `json:"new_password"     doc:"8 to 128 characters with an upper-case letter, a lower-case letter, a digit and a special character; different from the current one." example:"Battery-Staple-8"`
}

// Rules implements text.Ruled.
func (c *PasswordChange) Rules(f *text.Fields) {
	f.Field("current_password", &c.Current, text.CurrentPasswordRule)
	f.Field("new_password", &c.New, text.PortalPasswordRule)
}
