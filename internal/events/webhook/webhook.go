package webhook

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"canopy.dev/canopy/internal/events/delivery"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/outbound"
)

// The faults of webhooks.
var (
	ErrNotFound    = fault.New(fault.NotFound, "webhooks.not_found", "Webhook not found")
	ErrUnsupported = fault.New(fault.Invalid, "webhooks.unsupported_event",
		"There are no such types of events, or not here")
	ErrURLRefused = fault.New(fault.Invalid, "webhooks.url_refused",
		"The URL must be https, and lead to a public address")
	ErrLimitReached = fault.New(fault.Invalid, "webhooks.limit_reached", "There are as many webhooks here as may be")
	ErrReplaying    = fault.New(fault.Conflict, "webhooks.replay_running",
		"Events of the last replay have not been sent yet")
)

const (
	// maxHere is how many subscriptions an Environment, or an Account as a whole, may have.
	maxHere   = 50
	maxURL    = 2048
	maxTypes  = 200
	maxReplay = 10_000
	// maxOverlap and defaultOverlap are how many hours both secrets sign after a rotation.
	maxOverlap, defaultOverlap = 168, 24
)

var urlRule = text.Rule{
	Normalize: func(s string) (kept, broken string) { return s, "" },
	Format:    "uri", MinLength: 1, MaxLength: maxURL, Example: "https://hooks.acme.example/canopy",
}

// Draft is a subscription to be made.
type Draft struct {
	URL         string         `json:"url"                  doc:"Where events are sent: https, without user and fragment."`
	EventTypes  []string       `json:"event_types"          doc:"The types of events, or * alone for all, also those to come." maxItems:"200"`
	Description text.Clearable `json:"description,omitzero" doc:"What it is for."`
}

// Rules implements text.Ruled.
func (d *Draft) Rules(f *text.Fields) {
	f.Field("url", &d.URL, urlRule)
	checkURL(f, d.URL)
	checkTypes(f, d.EventTypes)
	f.Clearable("description", &d.Description, text.DescriptionRule)
}

// checkURL leaves it to the use case where a well-formed URL may lead.
func checkURL(f *text.Fields, raw string) {
	u, err := url.Parse(raw)
	f.Check("url", len(raw) <= maxURL, "must be at most 2048 characters long")
	f.Check("url", err == nil && u.IsAbs(), "must be a URL")
	f.Check("url", err != nil || u.User == nil, "must not hold a user")
	f.Check("url", !strings.Contains(raw, "#"), "must not hold a fragment")
	f.Check("url", err != nil || !u.IsAbs() || u.User != nil || !outbound.Malformed(u) || u.Fragment != "" ||
		u.Scheme != "https" && u.Scheme != "http", "must have a host")
}

func checkTypes(f *text.Fields, types []string) {
	f.Check("event_types", len(types) > 0 && len(types) <= maxTypes, "must hold 1 to 200 types of events, or * alone")
	f.Check("event_types", len(types) <= 1 || !slices.Contains(types, delivery.Every), "must not hold * beside others")
	sorted := slices.Sorted(slices.Values(types))
	f.Check("event_types", len(slices.Compact(sorted)) == len(types), "must not hold a type twice")
}

// Change is what is to be changed of a subscription; what is absent stays.
type Change struct {
	URL         *string        `json:"url,omitempty"         nullable:"false" doc:"Where events are sent."`
	EventTypes  []string       `json:"event_types,omitempty" nullable:"false" doc:"The types of events, or * alone." maxItems:"200"`
	Description text.Clearable `json:"description,omitzero"  doc:"What it is for."`
	IsActive    *bool          `json:"is_active,omitempty"   nullable:"false" doc:"Switched off, nothing is queued, and what is queued fails."`
}

// Rules implements text.Ruled.
func (c *Change) Rules(f *text.Fields) {
	f.Optional("url", c.URL, urlRule)
	if c.URL != nil {
		checkURL(f, *c.URL)
	}
	if c.EventTypes != nil {
		checkTypes(f, c.EventTypes)
	}
	f.Clearable("description", &c.Description, text.DescriptionRule)
}

// SecretChange says how long the secret before goes on signing.
type SecretChange struct {
	Overlap *int `json:"overlap_hours,omitempty" nullable:"false" doc:"For so many hours both secrets sign: 24 when absent, 0 for none." minimum:"0" maximum:"168"`
}

// Rules implements text.Ruled.
func (r *SecretChange) Rules(f *text.Fields) {
	f.Check("overlap_hours", r.Overlap == nil || *r.Overlap >= 0 && *r.Overlap <= maxOverlap, "must be 0 to 168")
}

func (r *SecretChange) overlap() time.Duration {
	hours := defaultOverlap
	if r.Overlap != nil {
		hours = *r.Overlap
	}
	return time.Duration(hours) * time.Hour
}

// Range says what is to be sent anew.
type Range struct {
	From       string   `json:"from"                  doc:"Events from then on."`
	To         string   `json:"to"                    doc:"Up to then, included."`
	EventTypes []string `json:"event_types,omitempty" doc:"Only events of these types." maxItems:"200"`
	FailedOnly bool     `json:"failed_only,omitempty" doc:"Only events without a successful delivery here."`
}

// Rules implements text.Ruled.
func (r *Range) Rules(f *text.Fields) {
	f.Field("from", &r.From, text.InstantRule)
	f.Field("to", &r.To, text.InstantRule)
	if r.EventTypes != nil {
		checkTypes(f, r.EventTypes)
	}
}

// Type is a type of events that can be subscribed to.
type Type struct {
	Name      string
	Account   bool // by Accounts alone
	Category  event.Category
	Resources []string
	About     string
}

// The events of webhooks.
var (
	Created = event.Type[MadePayload]{
		Action: "webhook.created", Category: event.Webhooks, Resource: "webhook", About: "A webhook came into being.",
	}
	Updated = event.Type[UpdatedPayload]{
		Action: "webhook.updated", Category: event.Webhooks, Resource: "webhook", About: "A webhook was changed.",
	}
	Deleted = event.Type[MadePayload]{
		Action: "webhook.deleted", Category: event.Webhooks, Resource: "webhook", About: "A webhook was deleted.",
	}
	Rotated = event.Type[RotatedPayload]{
		Action: "webhook.secret_rotated", Category: event.Webhooks, Resource: "webhook", Severity: event.Notice,
		About: "A webhook got a new secret.",
	}
	Replayed = event.Type[ReplayedPayload]{
		Action: "webhook.replayed", Category: event.Webhooks, Resource: "webhook", Severity: event.Notice,
		About: "Events were queued for a webhook anew.",
	}
	// Disabled is recorded where the receiver, or its silence, has switched a webhook off.
	Disabled = event.Type[DisabledPayload]{
		Action: "webhook.disabled", Category: event.Webhooks, Resource: "webhook", Severity: event.Warning,
		About: "A webhook was switched off, as its receiver is gone or has been failing for long.",
	}
	DeliveryFailed = event.Type[FailedPayload]{
		Action: "webhook.delivery_failed", Category: event.Webhooks, Resource: "webhook", Severity: event.Warning,
		About: "An event could not be delivered to a webhook.",
	}
)

// The payloads.
type (
	// MadePayload says what a subscription is to.
	MadePayload struct {
		URL        string   `json:"url"         maxLength:"2048"`
		EventTypes []string `json:"event_types"`
	}
	// UpdatedPayload says it as it is after a change, and what was changed.
	UpdatedPayload struct {
		URL        string   `json:"url"         maxLength:"2048"`
		EventTypes []string `json:"event_types"`
		Changes    Changes  `json:"changes"`
	}
	// Changes are the new values of what was changed.
	Changes struct {
		URL         *string  `json:"url,omitempty"         maxLength:"2048"`
		EventTypes  []string `json:"event_types,omitempty"`
		Description **string `json:"description,omitempty" nullable:"true"`
		IsActive    *bool    `json:"is_active,omitempty"`
	}
	// RotatedPayload says how long the secret before signs.
	RotatedPayload struct {
		PreviousUntil *string `json:"previous_secret_expires_at"`
	}
	// ReplayedPayload says what was queued anew.
	ReplayedPayload struct {
		From       string   `json:"from"`
		To         string   `json:"to"`
		EventTypes []string `json:"event_types,omitempty"`
		FailedOnly bool     `json:"failed_only"`
		Queued     int      `json:"queued"`
	}
	// DisabledPayload says why.
	DisabledPayload struct {
		Reason Reason `json:"reason"`
	}
	// FailedPayload names the delivery.
	FailedPayload struct {
		Delivery  delivery.ID `json:"delivery_id"`
		EventType string      `json:"event_type"`
		Attempts  int         `json:"attempts"`
	}
)

// Reason says why a subscription was switched off.
type Reason string

// The reasons.
const (
	Gone    Reason = "gone"    // the receiver has answered 410
	Failing Reason = "failing" // nothing was received for long
)
