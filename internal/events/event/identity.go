package event

import (
	"context"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

const (
	// Each side stays inside an index of its own.
	rowsOfIdentity = `SELECT id FROM audit_event WHERE ` + withIdentity + ` AND customer_visible = 1
		UNION SELECT id FROM audit_event WHERE ` + doneByIdentity + ` AND customer_visible = 1`

	aboutOne = ` account_id = $1 AND resource_id = $2
		AND id IN (SELECT id FROM audit_index WHERE resource_id = $2` + orFresh + `)`
	withIdentity   = aboutOne + ` AND resource_type = 'identity'`
	doneByIdentity = ` account_id = $1 AND actor_id = $2
		AND id IN (SELECT id FROM audit_index WHERE actor_id = $2` + orFresh + `) AND actor_type = 'identity'`
	orFresh = ` UNION ALL SELECT event_id FROM audit_unsealed WHERE account_id = $1`

	rowColumns = `id, account_id, application_id, environment_id, actor_id, actor_type, COALESCE(actor_label, ''), action,
		category, COALESCE(resource_type, ''), resource_id, COALESCE(resource_label, ''), metadata, outcome, severity,
		customer_visible, identity_visible, COALESCE(correlation_id, ''), created_at, COALESCE(revision, 0), ordinal,
		in_feed, surfaces`

	selectOfIdentity = `SELECT ` + rowColumns + ` FROM audit_event e WHERE account_id = $1 AND id IN (` + rowsOfIdentity + `)`
	countOfIdentity  = `SELECT count(*) FROM (` + rowsOfIdentity + `) AS r`

	selectScrubbed = `SELECT id, COALESCE(actor_label, ''), COALESCE(resource_label, ''), metadata FROM audit_event WHERE `
	aboutIdentity  = selectScrubbed + withIdentity
	aboutInvite    = selectScrubbed + aboutOne + ` AND resource_type = 'identity_invite'`
	byIdentity     = selectScrubbed + doneByIdentity

	eraseRow = `UPDATE audit_event SET actor_label = $1, resource_label = $2, metadata = $3
		WHERE account_id = $4 AND id = $5`
	eraseSearch = `UPDATE audit_index SET search = $1 WHERE account_id = $2 AND id = $3`
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
	var visible bool
	err = row.Scan(&r.ID, &r.Account, &r.Application, &r.Environment, &r.ActorID, &r.ActorType, &r.ActorLabel, &r.Action,
		&r.Category, &r.ResourceType, &r.ResourceID, &r.ResourceLabel, &metadata, &r.Outcome, &r.Severity,
		&visible, &r.IdentityVisible, &r.Correlation, &r.CreatedAt, &r.Revision, &r.Ordinal, &r.InFeed, &r.Surfaces)
	r.Metadata, r.Hidden = jsontext.Value(metadata), !visible
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
	if err := erase(ctx, tx, in, p.ID.Any(), aboutIdentity, resourceGoes, about); err != nil {
		return err
	}
	for _, one := range p.Invites {
		if err := erase(ctx, tx, in, one, aboutInvite, resourceGoes, about); err != nil {
			return err
		}
	}
	return erase(ctx, tx, in, p.ID.Any(), byIdentity, actorGoes, func(key, _ string) bool { return placing[key] })
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

// labels of a row that is being erased.
type labels struct{ actor, resource string }

func resourceGoes(l *labels) { l.resource = Erased }
func actorGoes(l *labels)    { l.actor = Erased }

// erase rewrites the rows of a query.
func erase(
	ctx context.Context, tx *database.Tx, in scope.AccountID, of id.ID, query string, label func(*labels),
	goes func(key, value string) bool,
) error {
	type found struct {
		labels
		id       RowID
		metadata string
	}
	rows, err := database.All(ctx, tx, func(row database.Scanner) (f found, err error) {
		return f, row.Scan(&f.id, &f.actor, &f.resource, &f.metadata)
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
		label(&f.labels)
		if _, err := tx.Exec(ctx, eraseRow, orNull(f.actor), orNull(f.resource), string(raw), in, f.id); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, eraseSearch, searched(f.actor, f.resource, raw), in, f.id); err != nil {
			return err
		}
		// As it is now it has another place in the Account's order.
		if _, err := tx.Exec(ctx, insertUnsealed+`($1, $2)`, SealedIn(in), f.id); err != nil {
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
