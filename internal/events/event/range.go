package event

import (
	"cmp"
	"context"
	"slices"
	"time"

	"canopy.dev/canopy/internal/events/delivery"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/platform/database"
)

const (
	selectHappened = `SELECT e.id, e.action, e.account_id, e.environment_id, e.resource_id,
		COALESCE(e.correlation_id, ''), e.created_at, e.ordinal FROM `

	// happenedFresh are those of the rows that no index leads to yet.
	happenedFresh = selectHappened + `audit_unsealed u CROSS JOIN audit_event e
		WHERE u.account_id = $1 AND e.id = u.event_id AND NOT EXISTS (SELECT 1 FROM audit_index x WHERE x.id = e.id)`
	happenedIndexed = selectHappened + `audit_index x CROSS JOIN audit_event e
		WHERE x.account_id = $1 AND x.created_at >= $2 AND x.created_at <= $3 AND e.id = x.id`

	inFeedBetween = ` AND e.account_id = $1 AND e.in_feed = 1 AND e.created_at >= $2 AND e.created_at <= $3`
	inEnvironment = ` AND e.environment_id = $4`
)

// Span is a time, both ends included.
type Span struct{ From, To time.Time }

// happening is an event with its place in time.
type happening struct {
	delivery.Happened
	correlation string
	at          time.Time
	ordinal     int
}

// Between gives what followers of a place have got, or should have, in a time: the events of some
// types, or of all where none is named, oldest first, up to most.
func Between(
	ctx context.Context, tx *database.Tx, in delivery.Place, at Span, types []string, most int,
) (list []delivery.Happened, err error) {
	for limit := most; ; limit *= 4 {
		all, err := happenedBetween(ctx, tx, in, at, types, limit)
		if err != nil {
			return nil, err
		}
		whole := len(all) < limit
		if in.Environment.IsZero() {
			all = withoutCopies(all)
		}
		if !whole && len(all) < most {
			continue // copies have taken the place of others
		}
		for _, h := range all[:min(len(all), most)] {
			list = append(list, h.Happened)
		}
		return list, nil
	}
}

// happenedBetween reads what is fresh before what an index leads to: so it misses nothing that is
// sealed meanwhile.
func happenedBetween(
	ctx context.Context, tx *database.Tx, in delivery.Place, at Span, types []string, limit int,
) (all []happening, err error) {
	where, args := inFeedBetween, []any{in.Account, at.From, at.To}
	if !in.Environment.IsZero() {
		where += inEnvironment
		args = append(args, in.Environment)
	}
	if len(types) > 0 {
		where += ` AND e.action IN (` + database.Marks(len(args)+1, len(types)) + `)`
		for _, t := range types {
			args = append(args, t)
		}
	}
	where += ` ORDER BY e.created_at, e.ordinal LIMIT ` + database.Marks(len(args)+1, 1)
	args = append(args, limit)
	for _, from := range []string{happenedFresh, happenedIndexed} {
		some, err := database.All(ctx, tx, func(row database.Scanner) (h happening, err error) {
			return h, row.Scan(&h.Event, &h.Type, &h.Account, &h.Environment, &h.Resource, &h.correlation, &h.at, &h.ordinal)
		}, from+where, args...)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	slices.SortFunc(all, func(a, b happening) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.ordinal, b.ordinal),
			cmp.Compare(a.Event.String(), b.Event.String()))
	})
	all = slices.CompactFunc(all, func(a, b happening) bool { return a.Event == b.Event })
	return all[:min(len(all), limit)], nil
}

// withoutCopies leaves out the rows of Environments of what the Account has a row of its own of.
func withoutCopies(all []happening) []happening {
	type change struct {
		eventType   string
		resource    id.ID
		correlation string
		at          time.Time
	}
	of := func(h happening) change { return change{h.Type, h.Resource, h.correlation, h.at} }
	own := map[change]bool{}
	for _, h := range all {
		if h.Environment.IsZero() {
			own[of(h)] = true
		}
	}
	return slices.DeleteFunc(all, func(h happening) bool { return !h.Environment.IsZero() && own[of(h)] })
}
