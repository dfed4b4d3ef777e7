package eventsapi

import (
	"canopy.dev/canopy/internal/events/audit"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/wire"
)

// What the log can be asked for.
var (
	auditFrom = wire.QueryInstant("from", "From this instant on, inclusive; 30 days before to when absent.")
	auditTo   = wire.QueryInstant("to", "Up to this instant, inclusive; now when absent.")

	auditAction = wire.QueryTexts("action", "Actions, any of which; repeated or comma-separated.", 50,
		"identity.created,identity.updated")
	auditCategory = wire.QueryEnum("category", "What the rows belong to.", event.Categories...)
	auditSeverity = wire.QueryEnum("severity", "How much they matter.", event.Info, event.Notice, event.Warning,
		event.Critical)
	auditOutcome      = wire.QueryEnum("outcome", "How it ended.", event.Success, event.Failure, event.Denied)
	auditActorType    = wire.QueryFilter("actor_type", "What kind of actor did it.", 64, "user")
	auditActor        = wire.QueryID[id.ID]("actor_id", "Who did it.")
	auditResourceType = wire.QueryFilter("resource_type", "What kind of thing it was done to.", 64, "role")
	auditResource     = wire.QueryID[id.ID]("resource_id", "What it was done to.")
	auditCorrelation  = wire.QueryID[id.ID]("correlation_id", "The request or job that did it.")
	auditApplication  = wire.QueryID[scope.ApplicationID]("application_id", "The Application where it was done.")
	auditEnvironment  = wire.QueryID[scope.EnvironmentID]("environment_id", "The Environment where it was done.")
	auditQ            = wire.QuerySearch("q", "Part of a label or of a value of metadata, without regard to case.", 200,
		"ann lee")

	auditCursor = wire.QueryFilter("cursor", "The next_cursor of the page before, with the same filters.",
		page.MaxCursor, "q0Zk3v0r8n0b1Yx2u3Tt4QGdsKoCAnb9")
	auditLimit = wire.QueryNumber("limit", "How many rows a page has at most.", 50, 1, 200)

	auditFilters = []wire.Parameter{
		auditFrom, auditTo, auditAction, auditCategory, auditSeverity, auditOutcome, auditActorType, auditActor,
		auditResourceType, auditResource, auditCorrelation, auditApplication, auditEnvironment, auditQ,
	}
)

// filterOf is what a call asks for.
func filterOf(c *wire.Call) audit.Query {
	q := audit.Query{
		Filter: event.Filter{
			Application: auditApplication.Of(c), Environment: auditEnvironment.Of(c), Actions: auditAction.Of(c),
			Category: auditCategory.Of(c), Severity: auditSeverity.Of(c), Outcome: auditOutcome.Of(c),
			ActorType: auditActorType.Of(c), ResourceType: auditResourceType.Of(c),
			ActorID: auditActor.Of(c), ResourceID: auditResource.Of(c), Q: auditQ.Of(c),
		},
		From: auditFrom.Of(c), To: auditTo.Of(c),
	}
	if of := auditCorrelation.Of(c); !of.IsZero() {
		q.Correlation = of.String()
	}
	return q
}
