package event

import (
	"cmp"
	"context"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/events/delivery"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// Entry is what one event has beside its type and payload: who, where, what.
// Zero ids are NULL.
type Entry struct {
	Actor       principal.Actor
	Account     scope.AccountID
	Application scope.ApplicationID
	Environment scope.EnvironmentID
	Resource    id.ID
	Label       string  // of the resource, as it is now: an e-mail address or a name
	Hidden      bool    // this one too, though its type is not
	Outcome     Outcome // of this one, where it is another than its type's
}

type row struct{}

// Record adds an event to the transaction. Events of one request share its id as
// correlation_id. An event of an Environment that followers get raises the Environment's
// revision. The rows are written at the end of the transaction, in the order in which they
// were recorded; the error of one that can't be written fails it.
func Record[P any](_ context.Context, tx *database.Tx, t Type[P], e Entry, payload P) error {
	metadata, err := json.Marshal(payload, json.Deterministic(true))
	if err != nil {
		return err
	}
	r := Row{
		Account: e.Account, Application: e.Application, Environment: e.Environment,
		ActorID: e.Actor.ID, ActorType: e.Actor.Kind, ActorLabel: e.Actor.Label,
		Action: t.Action, Category: t.Category, ResourceType: t.Resource, ResourceID: e.Resource, ResourceLabel: e.Label,
		Metadata: metadata, Outcome: cmp.Or(e.Outcome, t.Outcome, Success), Severity: cmp.Or(t.Severity, Info),
		Hidden:          t.Hidden || e.Hidden,
		IdentityVisible: ofIdentity(t.Category, t.Resource, e.Actor.Kind),
		Surfaces:        t.surfaces(e.Actor.Kind),
		Correlation:     e.Actor.Request.ID, CreatedAt: tx.Now,
	}
	r.InFeed = t.Feed != NoFeed && r.Outcome == Success
	if r.InFeed && !r.Environment.IsZero() {
		revision.Touch(tx, r.Account, r.Environment)
	}
	g := database.Collect(tx, func() *gathered { return &gathered{} })
	g.rows = append(g.rows, r)
	return nil
}

// ofIdentity reports whether an identity may see the event: it is about signing in, factors or
// identities, and about an identity or by one.
func ofIdentity(c Category, resource string, by principal.Kind) bool {
	return (c == Auth || c == MFA || c == Identity) && (resource == "identity" || by == principal.KindIdentity)
}

// RowID names a row of the log.
type RowID = id.Of[row]

// Row is one event as it was recorded. Zero ids and empty texts stand for what it lacks.
type Row struct {
	ID              RowID
	Account         scope.AccountID
	Application     scope.ApplicationID
	Environment     scope.EnvironmentID
	ActorID         id.ID
	ActorType       principal.Kind
	ActorLabel      string
	Action          string
	Category        Category
	ResourceType    string
	ResourceID      id.ID
	ResourceLabel   string
	Metadata        jsontext.Value // a JSON object
	Outcome         Outcome
	Severity        Severity
	Hidden          bool // from all answers
	IdentityVisible bool
	Surfaces        Surfaces
	Correlation     string
	CreatedAt       time.Time

	InFeed   bool   // followers get it
	Revision uint64 // of the Environment, in whose feed it is; 0 for none
	Ordinal  int    // among the rows of its write
}

// gathered are the events of one transaction.
type gathered struct{ rows []Row }

// Turn implements database.Last: the rows bear the revision that their write has raised.
func (*gathered) Turn() int { return 2 }

// Close implements database.Closing.
func (g *gathered) Close(ctx context.Context, tx *database.Tx) error {
	for i := range g.rows {
		r := &g.rows[i]
		r.ID, r.Ordinal = id.New[RowID](tx.Now), i
		if r.InFeed && !r.Environment.IsZero() {
			// 0 where it was deleted meanwhile: there is no feed any more.
			r.Revision = revision.Raised(tx, r.Environment)
		}
	}
	for from := 0; from < len(g.rows); from += atOnce {
		if err := write(ctx, tx, g.rows[from:min(from+atOnce, len(g.rows))]); err != nil {
			return err
		}
	}
	return delivery.Queue(ctx, tx, happened(g.rows))
}

// happened are those of some rows that followers get.
func happened(rows []Row) (list []delivery.Happened) {
	for i := range rows {
		if r := &rows[i]; r.InFeed {
			list = append(list, delivery.Happened{
				Event: r.ID.Any(), Type: r.Action, Account: r.Account, Environment: r.Environment, Resource: r.ResourceID,
			})
		}
	}
	return list
}
