package event

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

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
	IdentityVisible bool
	Correlation     string
	CreatedAt       time.Time
}

const (
	// Each side stays inside an index of its own.
	rowsOfIdentity = `SELECT id FROM audit_event
			WHERE account_id = $1 AND resource_type = 'identity' AND resource_id = $2 AND customer_visible = 1
		UNION SELECT id FROM audit_event
			WHERE account_id = $1 AND actor_type = 'identity' AND actor_id = $2 AND customer_visible = 1`

	rowColumns = `id, account_id, application_id, environment_id, actor_id, actor_type, COALESCE(actor_label, ''), action,
		category, COALESCE(resource_type, ''), resource_id, COALESCE(resource_label, ''), metadata, outcome, severity,
		identity_visible, COALESCE(correlation_id, ''), created_at`

	selectOfIdentity = `SELECT ` + rowColumns + ` FROM audit_event e WHERE account_id = $1 AND id IN (` + rowsOfIdentity + `)`
	countOfIdentity  = `SELECT count(*) FROM (` + rowsOfIdentity + `) AS r`

	aboutIdentity = `SELECT id, metadata FROM audit_event
		WHERE account_id = $1 AND resource_type = 'identity' AND resource_id = $2`
	aboutInvite = `SELECT id, metadata FROM audit_event
		WHERE account_id = $1 AND resource_type = 'identity_invite' AND resource_id = $2`
	byIdentity = `SELECT id, metadata FROM audit_event
		WHERE account_id = $1 AND actor_type = 'identity' AND actor_id = $2`

	eraseResource = `UPDATE audit_event SET resource_label = 'erased', metadata = $1 WHERE account_id = $2 AND id = $3`
	eraseActor    = `UPDATE audit_event SET actor_label = 'erased', metadata = $1 WHERE account_id = $2 AND id = $3`
)

// OfIdentitySorts are the sort keys of OfIdentity.
var OfIdentitySorts = page.Sorts{{Key: "created_at", Column: "e.created_at", Desc: true}}

// OfIdentity gives one page of what an identity of the Account did, and what was done to it,
// hidden rows left out; also once it is erased.
func OfIdentity(
	ctx context.Context, tx *database.Tx, in scope.AccountID, who principal.IdentityID, r page.Request,
) (list []Row, count int, err error) {
	if err := tx.QueryRow(ctx, countOfIdentity, in, who).Scan(&count); err != nil {
		return nil, 0, err
	}
	list, err = database.All(ctx, tx, scanRow, selectOfIdentity+r.OrderBy("e.id")+r.Limit(), in, who)
	return list, count, err
}

func scanRow(row database.Scanner) (r Row, err error) {
	var metadata string
	err = row.Scan(&r.ID, &r.Account, &r.Application, &r.Environment, &r.ActorID, &r.ActorType, &r.ActorLabel, &r.Action,
		&r.Category, &r.ResourceType, &r.ResourceID, &r.ResourceLabel, &metadata, &r.Outcome, &r.Severity,
		&r.IdentityVisible, &r.Correlation, &r.CreatedAt)
	r.Metadata = jsontext.Value(metadata)
	return r, err
}

// Erased stands in the place of what named or placed a person who was erased.
const Erased = "erased"

// Person is somebody to be erased from the log.
type Person struct {
	ID      principal.IdentityID
	Names   []string // address, names: whatever the person is called
	Invites []id.ID  // of the address
}

// ErasePerson takes what names or places a person out of the Account's rows: labels, and values
// of the payloads. Ids, actions and times stay, and so do rows about other things.
func ErasePerson(ctx context.Context, tx *database.Tx, in scope.AccountID, p Person) error {
	about := func(key, value string) bool { return naming[key] || placing[key] || p.isCalled(value) }
	if err := erase(ctx, tx, in, p.ID.Any(), aboutIdentity, eraseResource, about); err != nil {
		return err
	}
	for _, one := range p.Invites {
		if err := erase(ctx, tx, in, one, aboutInvite, eraseResource, about); err != nil {
			return err
		}
	}
	return erase(ctx, tx, in, p.ID.Any(), byIdentity, eraseActor, func(key, _ string) bool { return placing[key] })
}

// naming are the members of payloads that say who somebody is, placing those that say where.
var (
	naming = map[string]bool{
		"email": true, "user_name": true, "name": true, "first_name": true, "last_name": true, "metadata": true,
	}
	placing = map[string]bool{"ip_address": true, "user_agent": true}
)

func (p Person) isCalled(value string) bool {
	return value != "" && slices.ContainsFunc(p.Names, func(n string) bool { return strings.EqualFold(n, value) })
}

// erase rewrites the rows of a query.
func erase(
	ctx context.Context, tx *database.Tx, in scope.AccountID, of id.ID, query, update string,
	goes func(key, value string) bool,
) error {
	type found struct {
		id       RowID
		metadata string
	}
	rows, err := database.All(ctx, tx, func(row database.Scanner) (f found, err error) {
		return f, row.Scan(&f.id, &f.metadata)
	}, query, in, of)
	if err != nil {
		return err
	}
	for _, f := range rows {
		var payload map[string]any
		// Numbers stay as they are: none of them is touched, and none has more digits than fit.
		if err := json.Unmarshal([]byte(f.metadata), &payload); err != nil {
			return err
		}
		scrub(payload, goes)
		raw, err := json.Marshal(payload, json.Deterministic(true))
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, update, string(raw), in, f.id); err != nil {
			return err
		}
	}
	return nil
}

// scrub puts Erased in the place of what goes, however deep.
func scrub(object map[string]any, goes func(key, value string) bool) {
	for key, v := range object {
		text, _ := v.(string)
		if v != nil && goes(key, text) {
			object[key] = Erased
			continue
		}
		switch inner := v.(type) {
		case map[string]any:
			scrub(inner, goes)
		case []any:
			for i, one := range inner {
				if text, is := one.(string); is && goes("", text) {
					inner[i] = Erased
				} else if deeper, is := one.(map[string]any); is {
					scrub(deeper, goes)
				}
			}
		}
	}
}
