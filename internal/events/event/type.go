package event

import (
	"cmp"
	"reflect"

	"canopy.dev/canopy/internal/foundation/principal"
)

// Category is the area that an event belongs to.
type Category string

// The categories in use.
const (
	Auth      Category = "auth"
	AdminUser Category = "admin_user"
	Tenancy   Category = "tenancy"
	Invites   Category = "invites"

	Hierarchy     Category = "hierarchy"
	RBAC          Category = "rbac"
	Authorization Category = "authorization"
	APIKeys       Category = "api_keys"

	Identity Category = "identity"
	MFA      Category = "mfa"

	Audit    Category = "audit"
	Webhooks Category = "webhooks"
)

// Categories are all that rows may have and filters ask for; some areas are still to come.
var Categories = []Category{
	Auth, Identity, AdminUser, Tenancy, Hierarchy, "organization", RBAC, Authorization, APIKeys, "oauth", "webhooks",
	Invites, MFA, Audit, "billing", "sso", "unknown",
}

// Enum lists the categories, for schemas.
func (Category) Enum() []string {
	list := make([]string, len(Categories))
	for i, c := range Categories {
		list[i] = string(c)
	}
	return list
}

// Feed says who follows events of a type.
type Feed string

// The feeds: an event is in the change feed, and goes to webhooks, of the tier where it
// happened and of those above.
const (
	NoFeed         Feed = ""            // kept for the audit log alone
	OfEnvironments Feed = "environment" // of Environments and of their Account
	OfAccounts     Feed = "account"     // of Accounts alone
)

// Surfaces are the parts of the audit log that show an event, a bit each.
type Surfaces uint8

// The surfaces; the zero value of a declaration counts as Admin.
const (
	Identities Surfaces = 1 << iota // what end users do, and what is done to them
	Admin                           // what administrators do
	Both       = Identities | Admin
)

// Names are the surfaces as the catalogue lists them.
func (s Surfaces) Names() []string {
	var names []string
	if s&Identities != 0 {
		names = append(names, "identities")
	}
	if s&Admin != 0 {
		names = append(names, "admin")
	}
	return names
}

// Outcome says how an action ended.
type Outcome string

// The outcomes; the zero value of a declaration counts as Success.
const (
	Success Outcome = "success"
	Failure Outcome = "failure" // tried, and did not work
	Denied  Outcome = "denied"  // not allowed
)

// Enum lists the outcomes, for schemas.
func (Outcome) Enum() []string { return []string{string(Success), string(Failure), string(Denied)} }

// Severity says how much an action matters.
type Severity string

// The severities; the zero value of a declaration counts as Info.
const (
	Info     Severity = "info"
	Notice   Severity = "notice"
	Warning  Severity = "warning"
	Critical Severity = "critical"
)

// Enum lists the severities, for schemas.
func (Severity) Enum() []string {
	return []string{string(Info), string(Notice), string(Warning), string(Critical)}
}

// Type declares one kind of event with the payload P, a struct whose JSON is the
// metadata of the row: facts for the reader, never a secret. A declared type is
// never changed.
type Type[P any] struct {
	Action   string // area.what, in the past tense: "user_invite.created"
	Category Category
	Resource string // the kind of thing that was touched, "" for none
	Outcome  Outcome
	Severity Severity
	Feed     Feed
	On       Surfaces
	Hidden   bool   // kept for operators: no answer of the API shows it
	About    string // one sentence for the catalogue
}

// surfaces show an event of somebody: what an identity does is among what identities do, too.
func (t Type[P]) surfaces(by principal.Kind) Surfaces {
	on := cmp.Or(t.On, Admin)
	if by == principal.KindIdentity {
		on |= Identities
	}
	return on
}

// None is the payload of an event that has nothing to add.
type None struct{}

// Name is the action, as routes and the catalogue list it.
func (t Type[P]) Name() string { return t.Action }

// Declared is a Type whatever its payload.
type Declared interface {
	Name() string
	Entry() CatalogueEntry
	Payload() reflect.Type // a struct
}

// CatalogueEntry is what the catalogue says of one kind of event.
type CatalogueEntry struct {
	Action     string   `json:"action"`
	Category   Category `json:"category"`
	Resource   string   `json:"resource"` // "" for none
	Outcome    Outcome  `json:"outcome"`
	Severity   Severity `json:"severity"`
	Feed       Feed     `json:"feed"` // "" for none
	Surfaces   []string `json:"surfaces"`
	Hidden     bool     `json:"hidden"`
	About      string   `json:"about"`
	Operations []string `json:"operations"` // that can record it; none: background work does
	// Metadata is the JSON schema of what the event adds. Readers ignore what they don't know.
	Metadata any `json:"metadata,omitempty"`
}

// Payload is the type of the payload.
func (t Type[P]) Payload() reflect.Type { return reflect.TypeFor[P]() }

// Entry is the type's entry, without operations.
func (t Type[P]) Entry() CatalogueEntry {
	return CatalogueEntry{
		Action: t.Action, Category: t.Category, Resource: t.Resource, Hidden: t.Hidden, About: t.About,
		Outcome: cmp.Or(t.Outcome, Success), Severity: cmp.Or(t.Severity, Info), Operations: []string{},
		Feed: t.Feed, Surfaces: cmp.Or(t.On, Admin).Names(),
	}
}
