package apikey

import (
	"slices"
	"time"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/text"
)

// ID names an API key.
type ID = principal.KeyID

// Mode says what a key may do.
type Mode string

// The modes.
const (
	Scoped     Mode = "scoped"      // what its scopes open
	FullAccess Mode = "full_access" // everything in its Environment
)

// Enum lists the modes, for schemas.
func (Mode) Enum() []string { return []string{string(Scoped), string(FullAccess)} }

// Key is an API key, without its value.
type Key struct {
	ID          ID
	Name        string
	Description *string
	Mode        Mode
	Scopes      []string // sorted; none of a key with full access
	Preview     string   // the first characters of its value
	Active      bool
	ExpiresAt   time.Time // zero: never
	LastUsedAt  time.Time // zero: not yet; exact to a minute
	CreatedAt   time.Time
}

// Draft is a key to be made.
type Draft struct {
	Name        string         `json:"name"                 doc:"Its name; it need not be unique."`
	Description text.Clearable `json:"description,omitzero" doc:"What it is for."`
	Mode        Mode           `json:"access_mode"          doc:"scoped, or full_access to everything in the Environment."`
	Scopes      []string       `json:"scopes,omitempty"     doc:"Permission keys of the Environment, 1 to 200, for scoped keys only." maxItems:"200"`
	ExpiresAt   text.Clearable `json:"expires_at,omitzero"  doc:"From when on it is refused; never when absent."`
}

// Rules implements text.Ruled.
func (d *Draft) Rules(f *text.Fields) {
	f.Field("name", &d.Name, text.NameRule)
	f.Clearable("description", &d.Description, text.DescriptionRule)
	f.Clearable("expires_at", &d.ExpiresAt, text.InstantRule)
	switch d.Mode {
	case FullAccess:
		f.Check("scopes", d.Scopes == nil, "must be absent with full_access")
	case Scoped:
		slices.Sort(d.Scopes)
		f.Check("scopes", len(d.Scopes) >= 1 && len(d.Scopes) <= 200, "must hold 1 to 200 permission keys")
		f.Check("scopes", len(slices.Compact(slices.Clone(d.Scopes))) == len(d.Scopes), "must not hold a key twice")
	default:
		f.Check("access_mode", false, "must be scoped or full_access")
	}
}

// The faults of API keys.
var (
	ErrNotFound     = fault.New(fault.NotFound, "api_keys.not_found", "API key not found")
	ErrScopeUnknown = fault.New(fault.Invalid, "api_keys.scope_unknown",
		"The Environment has no such permissions")
	ErrEscalation = fault.New(fault.Forbidden, "api_keys.scope_escalation",
		"An API key can't be given more than its maker has, nor outlive it")
	ErrLimitReached = fault.New(fault.Invalid, "api_keys.limit_reached",
		"The Environment has as many API keys as it may have")
)

// The events of API keys.
var (
	Created = event.Type[CreatedPayload]{
		Action: "api_key.created", Category: event.APIKeys, Resource: "api_key", Severity: event.Notice,
		About: "An API key came into being.",
	}
	Enabled = event.Type[NamePayload]{
		Action: "api_key.enabled", Category: event.APIKeys, Resource: "api_key", About: "An API key was switched on.",
	}
	Disabled = event.Type[NamePayload]{
		Action: "api_key.disabled", Category: event.APIKeys, Resource: "api_key", About: "An API key was switched off.",
	}
	Rotated = event.Type[ValuePayload]{
		Action: "api_key.secret_rotated", Category: event.APIKeys, Resource: "api_key", Severity: event.Notice,
		About: "An API key got a new value.",
	}
	Deleted = event.Type[ValuePayload]{
		Action: "api_key.deleted", Category: event.APIKeys, Resource: "api_key", Severity: event.Notice,
		About: "An API key was deleted.",
	}
	// Refused is recorded once for each key, permission and minute.
	Refused = event.Type[RefusedPayload]{
		Action: "authorization.denied", Category: event.Authorization, Outcome: event.Denied, Severity: event.Warning,
		About: "An API key lacked the permission for what it asked.",
	}
)

// The payloads.
type (
	// CreatedPayload says what the key may do.
	CreatedPayload struct {
		Name      string   `json:"name"`
		Mode      Mode     `json:"access_mode"`
		Scopes    []string `json:"scopes"`
		ExpiresAt *string  `json:"expires_at"`
	}
	// NamePayload names a key.
	NamePayload struct {
		Name string `json:"name"`
	}
	// ValuePayload names a key and shows the beginning of its value: the new one, or its last.
	ValuePayload struct {
		Name    string `json:"name"`
		Preview string `json:"key_preview"`
	}
	// RefusedPayload says what was asked.
	RefusedPayload struct {
		Permission permission.Key `json:"permission"`
		Method     string         `json:"method"`
		Path       string         `json:"path"`
	}
)

// Sorts are the keys that lists can be sorted by.
var Sorts = page.Sorts{
	{Key: "created", Column: "k.created_at", Desc: true},
	{Key: "name", Column: "k.name_fold"},
}

// mayGive reports whether the caller may give somebody a key that can do this: portal
// users and keys with full access may give any.
func mayGive(caller principal.Principal, mode Mode, scopes []string, expires time.Time) bool {
	own, is := caller.(principal.Key)
	if !is || own.FullAccess {
		return true
	}
	if mode != Scoped || !own.ExpiresAt.IsZero() && (expires.IsZero() || expires.After(own.ExpiresAt)) {
		return false
	}
	for _, s := range scopes {
		if !slices.Contains(own.Scopes, permission.Key(s)) {
			return false
		}
	}
	return true
}
