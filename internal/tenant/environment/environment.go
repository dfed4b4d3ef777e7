package environment

import (
	"time"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/scope"
)

// ID names an Environment.
type ID = scope.EnvironmentID

// Model says what the tree of an Environment may be.
type Model string

// The models.
const (
	Flat      Model = "flat"      // the root alone, save organizations
	Hierarchy Model = "hierarchy" // a tree that follows the schema
)

// Enum lists the models, for schemas.
func (Model) Enum() []string { return []string{string(Flat), string(Hierarchy)} }

// Schema says which types of nodes a tree has, what may lie below what, and how deep. Its
// rules are those of package hierarchy; here it is only kept.
type Schema struct {
	NodeTypes       []string            `json:"node_types"       doc:"The types of nodes." maxItems:"65"`
	AllowedChildren map[string][]string `json:"allowed_children" doc:"The types that may lie below each type; none is leaf only."`
	MaxDepth        int                 `json:"max_depth"        doc:"How deep the tree may be; the root is at depth 1." example:"4"`
	RootNodeType    string              `json:"root_node_type"   doc:"The type of the root." example:"company" maxLength:"63"`
}

// Factor is a second factor of signing in.
type Factor string

// The factors.
const (
	TOTP     Factor = "totp"
	WebAuthn Factor = "webauthn"
	EmailOTP Factor = "email_otp"
)

// Enum lists the factors, for schemas.
func (Factor) Enum() []string { return []string{string(TOTP), string(WebAuthn), string(EmailOTP)} }

// Settings is what steers signing in to an Environment.
type Settings struct {
	MFARequired          bool     `json:"mfa_required"`
	MFAGracePeriodDays   int      `json:"mfa_grace_period_days"`
	MFATrustedDeviceDays int      `json:"mfa_trusted_device_days"`
	MFAFactorAllowlist   []Factor `json:"mfa_factor_allowlist"`
}

// defaults are the settings of a new Environment.
func defaults() Settings {
	return Settings{MFAFactorAllowlist: []Factor{TOTP, WebAuthn, EmailOTP}}
}

// Environment is one unit of isolation of an Application.
type Environment struct {
	ID          ID
	Account     scope.AccountID
	Application scope.ApplicationID
	Name        string
	Slug        string // unique in its Application
	Model       Model
	Schema      *Schema // nil: none is stored
	Settings    Settings
	Version     int // also that of the schema
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// The faults of Environments.
var (
	ErrNotFound  = fault.New(fault.NotFound, "environments.not_found", "Environment not found")
	ErrSlugTaken = fault.New(fault.Conflict, "environments.slug_taken",
		"Another Environment of the Application has this slug")
	ErrRevertRequired = fault.New(fault.Invalid, "environments.revert_required",
		"A hierarchy becomes flat by revert-to-flat only")
)
