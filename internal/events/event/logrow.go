package event

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
)

// LogRow is a row of the log as every answer shows it that holds rows.
type LogRow struct {
	ID              RowID                `json:"id"               doc:"The row's id."`
	AccountID       *scope.AccountID     `json:"account_id"       doc:"The Account."`
	ApplicationID   *scope.ApplicationID `json:"application_id"   doc:"The Application, if the row is of one."`
	EnvironmentID   *scope.EnvironmentID `json:"environment_id"   doc:"The Environment, if the row is of one."`
	ActorID         *id.ID               `json:"actor_id"         doc:"Who did it; null for the system, or without a credential."`
	ActorType       principal.Kind       `json:"actor_type"       doc:"What it was." example:"user" maxLength:"32"`
	Action          string               `json:"action"           doc:"What was done." example:"identity.created" maxLength:"128"`
	ResourceType    *string              `json:"resource_type"    doc:"What it was done to." example:"identity" maxLength:"64"`
	ResourceID      *id.ID               `json:"resource_id"      doc:"Its id."`
	Metadata        jsontext.Value       `json:"metadata"         doc:"Further facts." type:"object"`
	CreatedAt       time.Time            `json:"created_at"       doc:"When."`
	ActorLabel      *string              `json:"actor_label"      doc:"The actor's address or name at that time." maxLength:"300"`
	ResourceLabel   *string              `json:"resource_label"   doc:"The resource's address or name at that time." maxLength:"300"`
	CorrelationID   *string              `json:"correlation_id"   doc:"The request that did it." format:"uuid"`
	Outcome         Outcome              `json:"outcome"          doc:"How it ended."`
	Category        Category             `json:"category"         doc:"What it belongs to."`
	Severity        Severity             `json:"severity"         doc:"How much it matters."`
	CustomerVisible bool                 `json:"customer_visible" doc:"Always true here."`
	IdentityVisible bool                 `json:"identity_visible" doc:"Whether it may be shown to the identity itself."`
}

// Shown is the row as answers show it.
func Shown(r Row) LogRow {
	return LogRow{
		r.ID, orNil(r.Account), orNil(r.Application), orNil(r.Environment), orNil(r.ActorID), r.ActorType, r.Action,
		orAbsent(r.ResourceType), orNil(r.ResourceID), r.Metadata, r.CreatedAt, orAbsent(r.ActorLabel),
		orAbsent(r.ResourceLabel), orAbsent(r.Correlation), r.Outcome, r.Category, r.Severity, !r.Hidden, r.IdentityVisible,
	}
}
