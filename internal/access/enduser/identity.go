package enduser

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
)

// ID names an identity.
type ID = principal.IdentityID

// Identity is an end user, kept once for each address of an Account.
type Identity struct {
	ID         ID
	Account    scope.AccountID
	Email      string
	FirstName  string
	LastName   string
	ExternalID *string        // unique in the Account
	Metadata   jsontext.Value // a JSON object; nil for none
	AvatarURL  *string
	// Active is the switch for the whole Account: without it nobody signs in, and every
	// decision is no.
	Active            bool
	EmailVerifiedAt   time.Time // zero: the address is not proven
	PasswordHash      string    // "" for none
	PasswordChangedAt time.Time // zero: there has been none
	WrongPasswords    int       // in a row
	LockedUntil       time.Time // zero: not locked
	MFAResetAt        time.Time // zero: no administrator has reset the second factors
	CreatedAt         time.Time
	UpdatedAt         time.Time
}

// Name is first and last name.
func (i Identity) Name() string { return i.FirstName + " " + i.LastName }

// NameFold is the name as lists sort it.
func (i Identity) NameFold() string { return text.Fold(i.Name()) }

// Search is what lists look in, folded: address and name.
func (i Identity) Search() string { return i.Email + "\n" + i.NameFold() }

// EmailVerified reports whether the address is proven.
func (i Identity) EmailVerified() bool { return !i.EmailVerifiedAt.IsZero() }

// PasswordSet reports whether there is a password to sign in with.
func (i Identity) PasswordSet() bool { return i.PasswordHash != "" }

// Locked reports whether wrong passwords keep the identity out at an instant.
func (i Identity) Locked(at time.Time) bool { return i.LockedUntil.After(at) }

// externalIDRule is of what another system calls the person.
var externalIDRule = text.Rule{
	Normalize: text.ExternalID, MinLength: 1, MaxLength: 255, Example: "hr-10442",
}

// Draft is an identity to be made.
type Draft struct {
	Email      string         `json:"email"                 doc:"The address; unique in the Account. It is never changed by these routes."`
	FirstName  string         `json:"first_name"            doc:"First name."`
	LastName   string         `json:"last_name"             doc:"Last name."`
	Password   *string        `json:"password,omitempty"    doc:"8 to 64 characters, and in no known breach. Without one the identity can't sign in by password." nullable:"false"`
	ExternalID *string        `json:"external_id,omitempty" doc:"What another system calls the person; unique in the Account." nullable:"false"`
	Metadata   jsontext.Value `json:"metadata,omitempty"    doc:"Free JSON object, at most 64 KiB and 8 levels, or null. Numbers keep their digits." type:"object" nullable:"true"`
}

// Rules implements text.Ruled.
func (d *Draft) Rules(f *text.Fields) {
	f.Field("email", &d.Email, text.EmailRule)
	f.Field("first_name", &d.FirstName, text.FirstNameRule)
	f.Field("last_name", &d.LastName, text.LastNameRule)
	f.Optional("password", d.Password, text.IdentityPasswordRule)
	f.Optional("external_id", d.ExternalID, externalIDRule)
	f.ObjectOrNull("metadata", d.Metadata)
	if d.Password != nil {
		f.Check("password", !text.IsOwnAddress(*d.Password, d.Email), "must not be the address or what stands before its @")
	}
}

// Change is what a caller wants changed of a profile; nil leaves a field as it is.
type Change struct {
	FirstName *string        `json:"first_name,omitempty" nullable:"false" doc:"First name."`
	LastName  *string        `json:"last_name,omitempty"  nullable:"false" doc:"Last name."`
	Metadata  jsontext.Value `json:"metadata,omitempty"   doc:"Free JSON object, replaced as a whole; null clears." type:"object" nullable:"true"`
}

// Rules implements text.Ruled.
func (c *Change) Rules(f *text.Fields) {
	f.Optional("first_name", c.FirstName, text.FirstNameRule)
	f.Optional("last_name", c.LastName, text.LastNameRule)
	f.ObjectOrNull("metadata", c.Metadata)
}

// Changes are the fields of a profile that a change has made different, by what they have
// become.
type Changes struct {
	FirstName *string        `json:"first_name,omitempty"`
	LastName  *string        `json:"last_name,omitempty"`
	Metadata  jsontext.Value `json:"metadata,omitzero"` // null where it was cleared
}

// Fields are the names of the fields, sorted.
func (c Changes) Fields() []string {
	fields := []string{}
	if c.FirstName != nil {
		fields = append(fields, "first_name")
	}
	if c.LastName != nil {
		fields = append(fields, "last_name")
	}
	if c.Metadata != nil {
		fields = append(fields, "metadata")
	}
	return fields
}

// Applied is the identity with a change made, and what differs.
func (i Identity) Applied(c Change) (changed Identity, changes Changes, err error) {
	if c.FirstName != nil && *c.FirstName != i.FirstName {
		i.FirstName, changes.FirstName = *c.FirstName, c.FirstName
	}
	if c.LastName != nil && *c.LastName != i.LastName {
		i.LastName, changes.LastName = *c.LastName, c.LastName
	}
	if c.Metadata == nil {
		return i, changes, nil
	}
	metadata, err := kept(c.Metadata)
	if err != nil || string(metadata) == string(i.Metadata) {
		return i, changes, err
	}
	if i.Metadata = metadata; metadata == nil {
		metadata = jsontext.Value("null")
	}
	changes.Metadata = metadata
	return i, changes, nil
}

// kept is the form in which free JSON is kept; null is none.
func kept(v jsontext.Value) (jsontext.Value, error) {
	if v == nil || v.Kind() == 'n' {
		return nil, nil
	}
	return text.CompactObject(v)
}
