package application

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/tenant/environment"
)

// ID names an Application.
type ID = scope.ApplicationID

// Application is one product of an Account.
type Application struct {
	ID                     ID
	AccountID              scope.AccountID
	Name                   string
	Slug                   string         // unique in its Account
	Settings               jsontext.Value // a JSON object
	DefaultEnvironmentID   environment.ID
	DefaultEnvironmentSlug string
	Version                int
	CreatedAt              time.Time
	UpdatedAt              time.Time
}

// The faults of Applications, and of what they keep of their Environments.
var (
	ErrNotFound  = fault.New(fault.NotFound, "applications.not_found", "Application not found")
	ErrSlugTaken = fault.New(fault.Conflict, "applications.slug_taken",
		"Another Application of the Account has this slug")
	ErrLast = fault.New(fault.Invalid, "applications.last_application",
		"The last Application of an Account can't be deleted")
	ErrNotInApplication = fault.New(fault.Invalid, "environments.not_in_application",
		"The Application has no Environment of this slug")
	ErrLastEnvironment = fault.New(fault.Invalid, "environments.last_environment",
		"The last Environment of an Application can't be deleted")
	ErrIsDefault = fault.New(fault.Invalid, "environments.is_default",
		"The default Environment can't be deleted; make another one the default first")
)

// The events of Applications.
var (
	Created = event.Type[event.None]{
		Action: "application.created", Category: event.Tenancy, Resource: "application",
		About: "An Application came into being.",
	}
	Updated = event.Type[UpdatedPayload]{
		Action: "application.updated", Category: event.Tenancy, Resource: "application",
		About: "Name or settings of an Application were changed.",
	}
	Deleted = event.Type[DeletedPayload]{
		Action: "application.deleted", Category: event.Tenancy, Resource: "application", Severity: event.Warning,
		About: "An Application was deleted, with all of its Environments.",
	}
	DefaultSet = event.Type[DefaultSetPayload]{
		Action: "application.default_environment_set", Category: event.Tenancy, Resource: "application",
		About: "Another Environment of an Application became the default one.",
	}
	ResumeStateSet = event.Type[ResumeStateSetPayload]{
		Action: "user.resume_state_set", Category: event.Tenancy, Resource: "user", Hidden: true,
		About: "A portal user's dashboard opened another Environment.",
	}
	EnvironmentDeleted = event.Type[EnvironmentDeletedPayload]{
		Action: "environment.deleted", Category: event.Tenancy, Resource: "environment", Severity: event.Warning,
		About: "An Environment was deleted, with everything in it.",
	}
)

// The payloads.
type (
	// UpdatedPayload names what was changed.
	UpdatedPayload struct {
		Changes []string `json:"changes"`
	}
	// DeletedPayload says what there was.
	DeletedPayload struct {
		Name               string `json:"name"`
		Slug               string `json:"slug"`
		Environments       int    `json:"environments"`
		AssignmentsRemoved int    `json:"assignments_removed"`
	}
	// DefaultSetPayload has the slugs of both Environments.
	DefaultSetPayload struct {
		From string `json:"from"`
		To   string `json:"to"`
	}
	// ResumeStateSetPayload has the Environment's slug.
	ResumeStateSetPayload struct {
		EnvironmentSlug string `json:"environment_slug"`
	}
	// EnvironmentDeletedPayload says what there was.
	EnvironmentDeletedPayload struct {
		Name               string `json:"name"`
		Slug               string `json:"slug"`
		NodesDeleted       int    `json:"nodes_deleted"`
		AssignmentsRemoved int    `json:"assignments_removed"`
	}
)

// Draft is a new Application, or a new Environment.
type Draft struct {
	Name string  `json:"name"           doc:"Its name."`
	Slug *string `json:"slug,omitempty" doc:"Its slug, for paths; made of the name when absent." nullable:"false"`
}

// Rules implements text.Ruled.
func (d *Draft) Rules(f *text.Fields) {
	f.Field("name", &d.Name, text.NameRule)
	f.Optional("slug", d.Slug, text.SlugRule)
}

// Change is what a caller wants changed; nil leaves a field as it is.
type Change struct {
	Name     *string        `json:"name,omitempty"     nullable:"false" doc:"The Application's name."`
	Settings jsontext.Value `json:"settings,omitempty" type:"object" doc:"Free JSON object, replaced as a whole; at most 64 KiB and 8 levels. Numbers keep their digits."`
}

// Rules implements text.Ruled.
func (c *Change) Rules(f *text.Fields) {
	f.Optional("name", c.Name, text.NameRule)
	f.Object("settings", c.Settings)
}

// applied is the Application with a change made, and the fields that differ.
func (a Application) applied(c Change) (changed Application, fields []string, err error) {
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
