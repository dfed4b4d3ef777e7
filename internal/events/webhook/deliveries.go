package webhook

import (
	"context"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/events/delivery"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/platform/database"
)

// testType is that of the deliveries that somebody asks for to try a receiver.
const testType = "webhook.test"

// Deliveries gives one page of a subscription's deliveries; status "" is any. Fault:
// webhooks.not_found.
func (s *Service) Deliveries(
	ctx context.Context, in delivery.Place, of delivery.WebhookID, status delivery.Status, r page.Request,
) (list []delivery.Delivery, info page.Info, err error) {
	err = database.View(ctx, s.DB, func(tx *database.Tx) error {
		if err := note(ctx, tx, in); err != nil {
			return err
		}
		sub, err := delivery.Find(ctx, tx, in, of)
		if err != nil {
			return missing(err)
		}
		list, info, err = delivery.Deliveries(ctx, tx, sub, status, r)
		return err
	})
	return list, info, err
}

// Detail is a delivery with all that was sent and answered.
type Detail struct {
	delivery.Delivery
	Body    string            // "" where the event is no longer kept
	Headers map[string]string // of the last attempt, without its signature
	Tries   []delivery.Try
}

// Delivery gives one delivery of a subscription. Fault: webhooks.not_found.
func (s *Service) Delivery(
	ctx context.Context, in delivery.Place, of delivery.WebhookID, which delivery.ID,
) (Detail, error) {
	return database.Read(ctx, s.DB, func(tx *database.Tx) (d Detail, err error) {
		if err := note(ctx, tx, in); err != nil {
			return d, err
		}
		sub, err := delivery.Find(ctx, tx, in, of)
		if err != nil {
			return d, missing(err)
		}
		if d.Delivery, err = delivery.FindDelivery(ctx, tx, sub, which); err != nil {
			return d, missing(err)
		}
		if d.Tries, err = delivery.Tries(ctx, tx, in.Account, which); err != nil {
			return d, err
		}
		letters, err := write(ctx, tx, []delivery.Delivery{d.Delivery})
		if err != nil {
			return d, err
		}
		letter := letters[0]
		d.Body = string(letter.body)
		at := d.CreatedAt
		if n := len(d.Tries); n > 0 {
			at = d.Tries[n-1].At
		}
		d.Headers = map[string]string{
			"content-type": contentType, "user-agent": userAgent,
			"webhook-id": d.Event.String(), "webhook-timestamp": strconv.FormatInt(at.Unix(), 10),
		}
		if letter.revision != 0 {
			d.Headers["canopy-revision"] = strconv.FormatUint(letter.revision, 10)
		}
		return d, nil
	})
}

// Retry makes a delivery due anew: its attempts start over, with the same id and body. Fault:
// webhooks.not_found.
func (s *Service) Retry(
	ctx context.Context, in delivery.Place, of delivery.WebhookID, which delivery.ID,
) (d delivery.Delivery, err error) {
	_, err = s.change(ctx, in, of, func(tx *database.Tx, sub *delivery.Subscription) error {
		if _, err = delivery.FindDelivery(ctx, tx, *sub, which); err != nil {
			return missing(err)
		}
		if err := delivery.StartOver(ctx, tx, *sub, which); err != nil {
			return err
		}
		d, err = delivery.FindDelivery(ctx, tx, *sub, which)
		return err
	})
	return d, err
}

// Test sends webhook.test, with no payload, to this subscription alone. Fault:
// webhooks.not_found.
func (s *Service) Test(
	ctx context.Context, by principal.Actor, in delivery.Place, of delivery.WebhookID,
) (d delivery.Delivery, err error) {
	_, err = s.change(ctx, in, of, func(tx *database.Tx, sub *delivery.Subscription) error {
		row := event.Row{
			ID: id.New[event.RowID](tx.Now), Account: in.Account, Application: in.Application, Environment: in.Environment,
			ActorID: by.ID, ActorType: by.Kind, Action: testType, ResourceType: "webhook", ResourceID: of.Any(),
			Metadata: jsontext.Value(`{}`), CreatedAt: tx.Now,
		}
		body, err := row.Body()
		if err != nil {
			return err
		}
		which, err := delivery.Test(ctx, tx, *sub, testType, string(body), row.ID.Any())
		if err != nil {
			return err
		}
		d, err = delivery.FindDelivery(ctx, tx, *sub, which)
		return err
	})
	return d, err
}

// letter is a delivery as it is sent.
type letter struct {
	delivery.Delivery
	body     []byte // nil: its event is no longer kept
	revision uint64 // 0 for none
}

// write writes what is to be sent: the body is that of the event as it lies in the log, and so
// the same at each attempt, but for what an erasure has taken out of both.
func write(ctx context.Context, tx *database.Tx, list []delivery.Delivery) ([]letter, error) {
	ids := make([]event.RowID, 0, len(list))
	for i := range list {
		if list[i].Body == "" {
			ids = append(ids, event.RowID(list[i].Event))
		}
	}
	rows, err := event.ByID(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	letters := make([]letter, 0, len(list))
	for _, d := range list {
		l := letter{Delivery: d, body: []byte(d.Body)}
		if d.Body == "" {
			l.body = nil
			if r, is := rows[event.RowID(d.Event)]; is {
				l.revision = r.Revision
				if l.body, err = r.Body(); err != nil {
					return nil, err
				}
			}
		}
		letters = append(letters, l)
	}
	return letters, nil
}

// pauses are those before the attempts after the first.
var pauses = [...]time.Duration{
	5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
	10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
}
