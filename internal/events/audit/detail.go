package audit

import (
	"context"
	"errors"
	"time"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/platform/database"
)

// Detail is a row with what belongs to it.
type Detail struct {
	event.Row
	ByCorrelation []event.Row // other rows of the same request or job, oldest first
	ByActor       []event.Row // what the actor did shortly before and after, newest first
}

const (
	mostCorrelated = 50
	mostOfActor    = 10
	aroundActor    = time.Hour // before and after
)

// Look gives a row that exists for the reader, and records that it was looked at;
// audit.row_not_found.
func (s *Service) Look(ctx context.Context, in Reader, of event.RowID) (d Detail, err error) {
	d, err = database.Read(ctx, s.DB, func(tx *database.Tx) (Detail, error) { return detail(ctx, tx, in, of) })
	if err != nil {
		return d, err
	}
	return d, database.Do(ctx, s.DB, func(tx *database.Tx) error {
		e := in.Entry()
		e.Resource, e.Label = of.Any(), d.Action
		return event.Record(ctx, tx, RowViewed, e, event.None{})
	})
}

func detail(ctx context.Context, tx *database.Tx, in Reader, of event.RowID) (d Detail, err error) {
	if err := in.Note(ctx, tx); err != nil {
		return d, err
	}
	d.Row, err = event.One(ctx, tx, in.Account, of)
	if errors.Is(err, database.ErrNoRows) {
		return d, ErrRowNotFound
	}
	if err != nil {
		return d, err
	}
	f, _ := in.Within(event.Filter{})
	if !f.Matches(&d.Row) {
		return d, ErrRowNotFound
	}
	if d.Correlation != "" {
		same := f
		same.Correlation, same.From, same.To = d.Correlation, time.Unix(0, 0), tx.Now
		d.ByCorrelation, err = beside(ctx, tx, same, d.ID, mostCorrelated, event.OldestFirst)
		if err != nil {
			return d, err
		}
	}
	if d.ActorID.IsZero() {
		return d, nil
	}
	f.ActorID, f.ActorType = d.ActorID, string(d.ActorType)
	f.From, f.To = d.CreatedAt.Add(-aroundActor), d.CreatedAt.Add(aroundActor)
	d.ByActor, err = beside(ctx, tx, f, d.ID, mostOfActor, event.NewestFirst)
	return d, err
}

// beside gives rows without the one that they are asked for.
func beside(
	ctx context.Context, tx *database.Tx, f event.Filter, but event.RowID, most int, order event.Order,
) (list []event.Row, err error) {
	rows, err := event.Find(ctx, tx, f, event.Mark{}, most+1, order)
	for i := range rows {
		if rows[i].ID != but && len(list) < most {
			list = append(list, rows[i])
		}
	}
	return list, err
}
