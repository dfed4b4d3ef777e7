package webhook

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"canopy.dev/canopy/internal/events/delivery"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/outbound"
)

// Service holds the use cases of subscriptions and deliveries. It is safe for concurrent use.
type Service struct {
	DB  *database.DB
	Box *secret.Box
	Out *outbound.Client
	// Types are the types of events that there are, those of Environments first.
	Types func() []Type
	// Most is how many subscriptions a place may have; 0 is 50.
	Most int
}

func entry(by principal.Actor, s *delivery.Subscription) event.Entry {
	return event.Entry{
		Actor: by, Account: s.Place.Account, Application: s.Place.Application, Environment: s.Place.Environment,
		Resource: s.ID.Any(), Label: s.URL,
	}
}

func missing(err error) error {
	if errors.Is(err, database.ErrNoRows) {
		return ErrNotFound
	}
	return err
}

// note notes the revision of the Environment that an answer is about, if it is about one.
func note(ctx context.Context, tx *database.Tx, in delivery.Place) error {
	if in.Environment.IsZero() {
		return nil
	}
	at, err := revision.Now(ctx, tx, scope.Environment{
		Application: scope.Application{Account: scope.Account{ID: in.Account}, ID: in.Application}, ID: in.Environment,
	})
	scope.Note(ctx, at.Revision)
	if errors.Is(err, database.ErrNoRows) {
		return ErrNotFound // the Environment was deleted meanwhile
	}
	return err
}

// EventTypes are the types of events that there are, those of Environments first.
func (s *Service) EventTypes(ctx context.Context, in delivery.Place) ([]Type, error) {
	return database.Ask(ctx, s.DB, func(tx *database.Tx) ([]Type, error) { return s.Types(), note(ctx, tx, in) })
}

// List gives one page of a place's subscriptions.
func (s *Service) List(
	ctx context.Context, in delivery.Place, r page.Request,
) (list []delivery.Subscription, info page.Info, err error) {
	err = database.View(ctx, s.DB, func(tx *database.Tx) error {
		if err := note(ctx, tx, in); err != nil {
			return err
		}
		list, info, err = delivery.Subscriptions(ctx, tx, in, r)
		return err
	})
	return list, info, err
}

// Get gives one subscription. Fault: webhooks.not_found.
func (s *Service) Get(ctx context.Context, in delivery.Place, of delivery.WebhookID) (delivery.Subscription, error) {
	return database.Read(ctx, s.DB, func(tx *database.Tx) (delivery.Subscription, error) {
		if err := note(ctx, tx, in); err != nil {
			return delivery.Subscription{}, err
		}
		sub, err := delivery.Find(ctx, tx, in, of)
		return sub, missing(err)
	})
}

// supported is webhooks.unsupported_event for a type that there is not, or not at the place.
func (s *Service) supported(in delivery.Place, types []string) error {
	for _, name := range types {
		known := slices.ContainsFunc(s.Types(), func(t Type) bool {
			return t.Name == name && (in.Environment.IsZero() || !t.Account)
		})
		if !known && name != delivery.Every {
			return ErrUnsupported
		}
	}
	return nil
}

// Create makes a subscription; its secret is shown by the answer alone. d is normalised.
// Faults, in this order: webhooks.unsupported_event, webhooks.url_refused,
// webhooks.limit_reached. Event: webhook.created.
func (s *Service) Create(
	ctx context.Context, by principal.Actor, in delivery.Place, d Draft,
) (made delivery.Subscription, value secret.Token, err error) {
	if err := s.supported(in, d.EventTypes); err != nil {
		return made, value, err
	}
	if !s.Out.Check(ctx, d.URL) {
		return made, value, ErrURLRefused
	}
	value = newSecret()
	made, err = database.Write(ctx, s.DB, func(tx *database.Tx) (sub delivery.Subscription, err error) {
		if err := note(ctx, tx, in); err != nil {
			return sub, err
		}
		sub = delivery.Subscription{
			ID: id.New[delivery.WebhookID](tx.Now), Place: in, URL: d.URL, Types: d.EventTypes,
			Description: d.Description.Value, Active: true, QuietSince: tx.Now, CreatedAt: tx.Now,
		}
		if sub.Secrets, err = (secrets{Current: value.Reveal()}).seal(s.Box, sub.ID); err != nil {
			return sub, err
		}
		added, err := delivery.Add(ctx, tx, sub, cmp.Or(s.Most, maxHere))
		if err != nil {
			return sub, err
		}
		if !added {
			return sub, ErrLimitReached
		}
		return sub, event.Record(ctx, tx, Created, entry(by, &sub), MadePayload{sub.URL, sub.Types})
	})
	return made, value, err
}

// Update changes a subscription, also for what is queued; the same again writes nothing.
// Faults: webhooks.unsupported_event, webhooks.url_refused, webhooks.not_found. Event:
// webhook.updated.
func (s *Service) Update(
	ctx context.Context, by principal.Actor, in delivery.Place, of delivery.WebhookID, c Change,
) (delivery.Subscription, error) {
	before, err := s.Get(ctx, in, of)
	if err != nil {
		return before, err
	}
	if err := s.supported(in, c.EventTypes); err != nil {
		return before, err
	}
	if c.URL != nil && !s.Out.Check(ctx, *c.URL) {
		return before, ErrURLRefused
	}
	return s.change(ctx, in, of, func(tx *database.Tx, sub *delivery.Subscription) error {
		changes, changed := apply(tx, sub, c)
		if !changed {
			return nil
		}
		if err := delivery.Save(ctx, tx, *sub); err != nil {
			return err
		}
		if changes.IsActive != nil && !sub.Active {
			if err := delivery.EndPending(ctx, tx, *sub, delivery.AndTests); err != nil {
				return err
			}
		}
		if changes.EventTypes != nil {
			if err := delivery.DropUnwanted(ctx, tx, *sub, testType); err != nil {
				return err
			}
		}
		return event.Record(ctx, tx, Updated, entry(by, sub), UpdatedPayload{sub.URL, sub.Types, changes})
	})
}

// apply changes a subscription, and tells what that was.
func apply(tx *database.Tx, sub *delivery.Subscription, c Change) (changes Changes, changed bool) {
	if c.URL != nil && *c.URL != sub.URL {
		sub.URL, changes.URL, changed = *c.URL, c.URL, true
	}
	if c.EventTypes != nil && !slices.Equal(c.EventTypes, sub.Types) {
		sub.Types, changes.EventTypes, changed = c.EventTypes, c.EventTypes, true
	}
	if d := c.Description; d.Given && !equal(d.Value, sub.Description) {
		sub.Description, changes.Description, changed = d.Value, &sub.Description, true
	}
	if c.IsActive != nil && *c.IsActive != sub.Active {
		sub.Active, changes.IsActive, changed = *c.IsActive, c.IsActive, true
		sub.QuietSince, sub.Failures = tx.Now, 0
	}
	return changes, changed
}

func equal(a, b *string) bool { return a == b || a != nil && b != nil && *a == *b }

// change runs fn on a locked subscription.
func (s *Service) change(
	ctx context.Context, in delivery.Place, of delivery.WebhookID,
	fn func(tx *database.Tx, sub *delivery.Subscription) error,
) (delivery.Subscription, error) {
	return database.Write(ctx, s.DB, func(tx *database.Tx) (sub delivery.Subscription, err error) {
		if err := note(ctx, tx, in); err != nil {
			return sub, err
		}
		if sub, err = delivery.Lock(ctx, tx, in, of); err != nil {
			return sub, missing(err)
		}
		return sub, fn(tx, &sub)
	})
}

// Delete ends a subscription; what is queued is dropped. Fault: webhooks.not_found. Event:
// webhook.deleted.
func (s *Service) Delete(ctx context.Context, by principal.Actor, in delivery.Place, of delivery.WebhookID) error {
	_, err := s.change(ctx, in, of, func(tx *database.Tx, sub *delivery.Subscription) error {
		if err := delivery.Remove(ctx, tx, *sub); err != nil {
			return err
		}
		return event.Record(ctx, tx, Deleted, entry(by, sub), MadePayload{sub.URL, sub.Types})
	})
	return err
}

// Rotate gives a subscription a new secret, which the answer alone shows. The one before goes
// on signing for a time; one that still does from an earlier rotation ends now. Fault:
// webhooks.not_found. Event: webhook.secret_rotated.
func (s *Service) Rotate(
	ctx context.Context, by principal.Actor, in delivery.Place, of delivery.WebhookID, r SecretChange,
) (sub delivery.Subscription, value secret.Token, err error) {
	value = newSecret()
	sub, err = s.change(ctx, in, of, func(tx *database.Tx, sub *delivery.Subscription) error {
		held, err := openSecrets(s.Box, sub)
		if err != nil {
			return err
		}
		next, told := secrets{Current: value.Reveal()}, RotatedPayload{}
		sub.Until = time.Time{}
		if r.overlap() > 0 {
			next.Previous, sub.Until = held.Current, tx.Now.Add(r.overlap())
			until := text.InstantOf(sub.Until)
			told.PreviousUntil = &until
		}
		if sub.Secrets, err = next.seal(s.Box, sub.ID); err != nil {
			return err
		}
		if err := delivery.Save(ctx, tx, *sub); err != nil {
			return err
		}
		return event.Record(ctx, tx, Rotated, entry(by, sub), told)
	})
	return sub, value, err
}

// Replay queues the events of a time anew, oldest first, up to 10,000, and tells how many. What
// is queued already is left out. Faults: webhooks.not_found, webhooks.unsupported_event,
// validation, webhooks.replay_running. Event: webhook.replayed.
func (s *Service) Replay(
	ctx context.Context, by principal.Actor, in delivery.Place, of delivery.WebhookID, r Range,
) (queued int, err error) {
	from, errFrom := time.Parse(time.RFC3339, r.From)
	to, errTo := time.Parse(time.RFC3339, r.To)
	to = to.Add(time.Millisecond - time.Microsecond) // rows are more exact than answers
	if errFrom != nil || errTo != nil || to.Before(from) {
		return 0, fault.Validation.WithDetails("from must not be after to")
	}
	if err := s.supported(in, r.EventTypes); err != nil {
		return 0, err
	}
	_, err = s.change(ctx, in, of, func(tx *database.Tx, sub *delivery.Subscription) error {
		if running, err := delivery.Replaying(ctx, tx, *sub); err != nil || running {
			return cmp.Or(err, error(ErrReplaying))
		}
		all, err := s.wanted(ctx, tx, sub, r, event.Span{From: from, To: to})
		if err != nil {
			return err
		}
		if queued = len(all); queued > 0 {
			if err := delivery.Replay(ctx, tx, *sub, all); err != nil {
				return err
			}
		}
		return event.Record(ctx, tx, Replayed, entry(by, sub),
			ReplayedPayload{r.From, r.To, r.EventTypes, r.FailedOnly, queued})
	})
	return queued, err
}

// wanted are the events of a time that a subscription is to get anew.
func (s *Service) wanted(
	ctx context.Context, tx *database.Tx, sub *delivery.Subscription, r Range, span event.Span,
) (list []delivery.Happened, err error) {
	types := slices.DeleteFunc(slices.Clone(r.EventTypes), func(t string) bool { return !sub.Wants(t) })
	if len(r.EventTypes) == 0 || slices.Contains(r.EventTypes, delivery.Every) {
		if types = slices.Clone(sub.Types); sub.Wants(delivery.Every) {
			types = nil
		}
	} else if len(types) == 0 {
		return nil, nil
	}
	all, err := event.Between(ctx, tx, sub.Place, span, types, maxReplay+1)
	if err != nil {
		return nil, err
	}
	if len(all) > maxReplay {
		return nil, fault.Validation.WithDetails("there are more than 10,000 events between from and to")
	}
	ids := make([]id.ID, 0, len(all))
	for _, h := range all {
		ids = append(ids, h.Event)
	}
	settled, err := delivery.Settled(ctx, tx, *sub, ids, r.FailedOnly)
	return slices.DeleteFunc(all, func(h delivery.Happened) bool { return settled[h.Event] }), err
}
