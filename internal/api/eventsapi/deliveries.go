package eventsapi

import (
	"context"
	"net/http"
	"time"

	"canopy.dev/canopy/internal/events/delivery"
	"canopy.dev/canopy/internal/events/webhook"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/platform/wire"
)

// ListedDelivery is a delivery as lists show it.
type ListedDelivery struct {
	ID             delivery.ID     `json:"id"              doc:"The delivery's id."`
	EventType      string          `json:"event_type"      doc:"The type of the event." example:"assignment.removed" maxLength:"128"`
	Status         delivery.Status `json:"status"          doc:"pending until it has been received, or has failed for the last time."`
	ResponseStatus *int            `json:"response_status" doc:"Of the last answer; null without one." minimum:"100" maximum:"999" example:"204"`
	ResponseBody   *string         `json:"response_body"   doc:"Its first 4 KiB; address refused where nothing may be sent to." maxLength:"4096"`
	Attempts       int             `json:"attempts"        doc:"How often it was tried." minimum:"0" maximum:"10"`
	NextRetryAt    *time.Time      `json:"next_retry_at"   doc:"When it is tried next; null when it is not."`
	CreatedAt      time.Time       `json:"created_at"      doc:"When it was queued."`
}

func viewDelivery(d delivery.Delivery) ListedDelivery {
	return ListedDelivery{
		d.ID, d.Type, d.Status, d.ResponseStatus, d.ResponseBody, d.Attempts, instant(d.NextAt), d.CreatedAt,
	}
}

// fullDelivery is a delivery with all that was sent and answered.
type fullDelivery struct {
	ListedDelivery

	RequestBody    *string           `json:"request_body"    doc:"What is sent, byte for byte; null when the event is no longer kept." maxLength:"1048576"`
	RequestHeaders map[string]string `json:"request_headers" doc:"The headers of the last attempt, or of the first that is to come, without webhook-signature."`
	Tries          []viewedTry       `json:"tries"           doc:"The attempts, oldest first." maxItems:"10"`
}

// viewedTry is one attempt.
type viewedTry struct {
	At             time.Time `json:"at"              doc:"When it began."`
	ResponseStatus *int      `json:"response_status" doc:"Of the answer; null without one." minimum:"100" maximum:"999" example:"204"`
	ResponseBody   *string   `json:"response_body"   doc:"Its first 4 KiB." maxLength:"4096"`
	DurationMS     int64     `json:"duration_ms"     doc:"How long it took." minimum:"0"`
	Error          *string   `json:"error"           doc:"Why there is no answer: timeout, dns, connect, tls or address_refused." maxLength:"32"`
}

func viewTry(t delivery.Try) viewedTry {
	return viewedTry{t.At, t.ResponseStatus, t.ResponseBody, t.Took.Milliseconds(), t.Failure}
}

func viewDetail(d webhook.Detail) fullDelivery {
	v := fullDelivery{ListedDelivery: viewDelivery(d.Delivery), RequestHeaders: d.Headers, Tries: []viewedTry{}}
	if d.Body != "" {
		v.RequestBody = &d.Body
	}
	for _, t := range d.Tries {
		v.Tries = append(v.Tries, viewTry(t))
	}
	return v
}

var (
	deliveryID     = wire.PathID[delivery.ID]("deliveryId", "The delivery's id.", webhook.ErrNotFound)
	deliveryPaging = wire.Paged(delivery.Sorts)
	deliveryStatus = wire.QueryEnum("status", "Only deliveries of this status.",
		delivery.Pending, delivery.Success, delivery.Failed)
)

func (h *Webhooks) deliveries(rt *wire.Router) {
	both(rt, wire.Route{
		Method: http.MethodGet, Path: "/{id}/deliveries", ID: "listWebhookDeliveries", Summary: "List deliveries",
		About: "One page of what was sent to a webhook in the last 30 days, or is to be; q searches the types of events.",
		Needs: permission.WebhookView, Params: []wire.Parameter{webhookID, deliveryPaging, deliveryStatus},
		Status: http.StatusOK,
	}, h.listDeliveries)
	both(rt, wire.Route{
		Method: http.MethodGet, Path: "/{id}/deliveries/{deliveryId}", ID: "getWebhookDelivery",
		Summary: "Read a delivery", About: "With what is sent, and what each attempt came to.",
		Needs: permission.WebhookView, Params: []wire.Parameter{webhookID, deliveryID}, Status: http.StatusOK,
	}, h.getDelivery)
	both(rt, wire.Route{
		Method: http.MethodPost, Path: "/{id}/deliveries/{deliveryId}/retry", ID: "retryWebhookDelivery",
		Summary: "Send a delivery anew",
		About:   "Its attempts start over at once, with the same id and body.",
		Needs:   permission.WebhookManage, Params: []wire.Parameter{webhookID, deliveryID}, Status: http.StatusAccepted,
	}, h.retry)
	both(rt, wire.Route{
		Method: http.MethodPost, Path: "/{id}/test", ID: "testWebhook", Summary: "Try a webhook",
		About: "Sends webhook.test, with no metadata, to this webhook alone, also when it is switched off.",
		Needs: permission.WebhookManage, Params: []wire.Parameter{webhookID}, Status: http.StatusAccepted,
	}, h.test)
}

func (h *Webhooks) listDeliveries(
	ctx context.Context, c *wire.Call, _ principal.Actor, at delivery.Place, _ wire.None,
) (wire.Page[ListedDelivery], error) {
	list, info, err := h.Webhooks.Deliveries(ctx, at, webhookID.Of(c), deliveryStatus.Of(c), deliveryPaging.Of(c))
	return wire.PageOf(list, info, err, viewDelivery)
}

func (h *Webhooks) getDelivery(
	ctx context.Context, c *wire.Call, _ principal.Actor, at delivery.Place, _ wire.None,
) (wire.Data[fullDelivery], error) {
	d, err := h.Webhooks.Delivery(ctx, at, webhookID.Of(c), deliveryID.Of(c))
	return wire.Of(viewDetail(d), err)
}

func (h *Webhooks) retry(
	ctx context.Context, c *wire.Call, _ principal.Actor, at delivery.Place, _ wire.None,
) (wire.Data[ListedDelivery], error) {
	d, err := h.Webhooks.Retry(ctx, at, webhookID.Of(c), deliveryID.Of(c))
	return wire.Of(viewDelivery(d), err)
}

func (h *Webhooks) test(
	ctx context.Context, c *wire.Call, by principal.Actor, at delivery.Place, _ wire.None,
) (wire.Data[ListedDelivery], error) {
	d, err := h.Webhooks.Test(ctx, by, at, webhookID.Of(c))
	return wire.Of(viewDelivery(d), err)
}
