package environment

import (
	"slices"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
)

// Change is what a caller wants changed; nil leaves a field as it is.
type Change struct {
	Name *string    `json:"name,omitempty" nullable:"false" doc:"The Environment's name."`
	Slug *string    `json:"slug,omitempty" nullable:"false" doc:"Its slug; the old one is free and unknown at once."`
	MFA  *MFAChange `json:"mfa,omitempty"  nullable:"false" doc:"The policy of second factors; only the keys given change."`
}

// MFAChange is what a caller wants changed of the policy of second factors.
type MFAChange struct {
	Required          *bool    `json:"mfa_required,omitempty"            nullable:"false" doc:"Whether signing in takes a second factor."`
	GracePeriodDays   *int     `json:"mfa_grace_period_days,omitempty"   nullable:"false" doc:"Days in which a person may still sign in without one, 0 to 90." example:"7"`
	TrustedDeviceDays *int     `json:"mfa_trusted_device_days,omitempty" nullable:"false" doc:"Days for which a device is trusted, 0 to 365; 0 is off." example:"30"`
	FactorAllowlist   []Factor `json:"mfa_factor_allowlist,omitempty"    doc:"The factors that may be used, at least one."`
}

// Rules implements text.Ruled.
func (c *Change) Rules(f *text.Fields) {
	f.Optional("name", c.Name, text.NameRule)
	f.Optional("slug", c.Slug, text.SlugRule)
	if m := c.MFA; m != nil {
		within := func(n *int, most int) bool { return n == nil || *n >= 0 && *n <= most }
		f.Check("mfa.mfa_grace_period_days", within(m.GracePeriodDays, 90), "must be 0 to 90")
		f.Check("mfa.mfa_trusted_device_days", within(m.TrustedDeviceDays, 365), "must be 0 to 365")
		f.Check("mfa.mfa_factor_allowlist", m.FactorAllowlist == nil || distinctFactors(m.FactorAllowlist),
			"must be one or more of totp, webauthn, email_otp, each once")
	}
}

func distinctFactors(list []Factor) bool {
	for i, one := range list {
		if !slices.Contains(one.Enum(), string(one)) || slices.Contains(list[:i], one) {
			return false
		}
	}
	return len(list) > 0
}

// applied is the Environment with a change made, and the fields that differ.
func (e Environment) applied(c Change) (changed Environment, fields []string) {
	changed = e
	if c.Name != nil && *c.Name != e.Name {
		changed.Name, fields = *c.Name, append(fields, "name")
	}
	if c.Slug != nil && *c.Slug != e.Slug {
		changed.Slug, fields = *c.Slug, append(fields, "slug")
	}
	if m := c.MFA; m != nil {
		s := &changed.Settings
		if m.Required != nil && *m.Required != s.MFARequired {
			s.MFARequired, fields = *m.Required, append(fields, "mfa_required")
		}
		if m.GracePeriodDays != nil && *m.GracePeriodDays != s.MFAGracePeriodDays {
			s.MFAGracePeriodDays, fields = *m.GracePeriodDays, append(fields, "mfa_grace_period_days")
		}
		if m.TrustedDeviceDays != nil && *m.TrustedDeviceDays != s.MFATrustedDeviceDays {
			s.MFATrustedDeviceDays, fields = *m.TrustedDeviceDays, append(fields, "mfa_trusted_device_days")
		}
		if m.FactorAllowlist != nil && !slices.Equal(m.FactorAllowlist, s.MFAFactorAllowlist) {
			s.MFAFactorAllowlist, fields = m.FactorAllowlist, append(fields, "mfa_factor_allowlist")
		}
	}
	return changed, fields
}

// The events of Environments.
var (
	Updated = event.Type[UpdatedPayload]{
		Action: "environment.updated", Category: event.Tenancy, Resource: "environment",
		About: "Name, slug or settings of an Environment were changed.",
	}
	ModelSet = event.Type[ModelSetPayload]{
		Action: "environment.access_model_set", Category: event.Tenancy, Resource: "environment",
		About: "The access model of an Environment was changed.",
	}
)

// The payloads.
type (
	// UpdatedPayload names what was changed.
	UpdatedPayload struct {
		Changes []string `json:"changes"`
	}
	// ModelSetPayload has both models.
	ModelSetPayload struct {
		From Model `json:"from"`
		To   Model `json:"to"`
	}
)

// In is the Environment as a place, in an Application.
func (e Environment) In(in scope.Application) scope.Environment {
	return scope.Environment{Application: in, ID: e.ID, Slug: e.Slug}
}

// Follow appends to the revision that the Environment itself was changed.
func (e Environment) Follow(tx *database.Tx, in scope.Environment) {
	revision.Append(tx, in, e.change())
}

func (e Environment) entry(by principal.Actor) event.Entry {
	return event.Entry{
		Actor: by, Account: e.Account, Application: e.Application, Environment: e.ID, Resource: e.ID.Any(), Label: e.Name,
	}
}

// changed is the kind of change that says that the Environment itself was changed.
const changed revision.Kind = "environment"

func (e Environment) change() revision.Change {
	return revision.Change{Kind: changed, Subject: e.ID.Any(), Body: struct {
		Slug  string `json:"slug"`
		Model Model  `json:"model"`
	}{e.Slug, e.Model}}
}
