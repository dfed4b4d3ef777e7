package account

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
)

// ID names an Account.
type ID = scope.AccountID

// Account is one customer company of the install, top of every tenant check.
type Account struct {
	ID        ID
	Name      string
	Slug      string
	Settings  jsontext.Value // a JSON object
	Plan      string
	Version   int
	CreatedAt time.Time
	UpdatedAt time.Time
}

// ErrNotFound says that the caller has no such Account.
var ErrNotFound = fault.New(fault.NotFound, "account.not_found", "Account not found")

// Change is what a caller wants changed; nil leaves a field as it is.
type Change struct {
	Name     *string        `json:"name,omitempty"     nullable:"false" doc:"The Account's name."`
	Settings jsontext.Value `json:"settings,omitempty" type:"object" doc:"Free JSON object, replaced as a whole; at most 64 KiB and 8 levels. Numbers keep their digits."`
}

// Rules implements text.Ruled.
func (c *Change) Rules(f *text.Fields) {
	f.Optional("name", c.Name, text.NameRule)
	f.Object("settings", c.Settings)
}

// applied is the Account with a change made, and the fields that differ.
func (a Account) applied(c Change) (changed Account, fields []string, err error) {
	changed = a
	if c.Name != nil && *c.Name != a.Name {
		changed.Name, fields = *c.Name, append(fields, "name")
	}
	if c.Settings != nil {
		if changed.Settings, err = text.CompactObject(c.Settings); err != nil {
			return changed, nil, err
		}
		if string(changed.Settings) != string(a.Settings) {
			fields = append(fields, "settings")
		}
	}
	return changed, fields, nil
}
