package eventsapi

import (
	"context"
	"net/http"
	"time"

	"canopy.dev/canopy/internal/events/delivery"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/events/webhook"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/wire"
)

// Webhooks serves subscriptions: of an Environment through either door, and of an Account.
type Webhooks struct{ Webhooks *webhook.Service }

// reach says whose events a subscription gets.
type reach string

const (
	ofEnvironment reach = "environment"
	ofAccount     reach = "account"
)

// Enum lists them, for schemas.
func (reach) Enum() []string { return []string{string(ofEnvironment), string(ofAccount)} }

// ListedWebhook is a subscription without its secret.
type ListedWebhook struct {
	ID          delivery.WebhookID `json:"id"                         doc:"The webhook's id."`
	Scope       reach              `json:"scope"                      doc:"Whose events it gets: those of the Environment, or of the Account and all its Environments."`
	URL         string             `json:"url"                        doc:"Where events are sent." example:"https://hooks.acme.example/canopy" maxLength:"2048"`
	EventTypes  []string           `json:"event_types"                doc:"Their types, or * alone for all." maxItems:"200"`
	Description *string            `json:"description"                doc:"What it is for." maxLength:"1000"`
	IsActive    bool               `json:"is_active"                  doc:"Nothing is queued for one that is switched off."`
	Until       *time.Time         `json:"previous_secret_expires_at" doc:"Until when the secret before signs, too; null when it does not."`
	CreatedAt   time.Time          `json:"created_at"                 doc:"When it came into being."`
}

// shownWebhook is a subscription with its secret, which no other answer shows.
type shownWebhook struct {
	ListedWebhook

	Secret string `json:"secret" doc:"Signs what is sent. It is shown here only." example:"whsec_…" maxLength:"64"`
}

func viewWebhook(s delivery.Subscription) ListedWebhook {
	v := ListedWebhook{
		s.ID, ofEnvironment, s.URL, append([]string{}, s.Types...), s.Description, s.Active, instant(s.Until), s.CreatedAt,
	}
	if s.Place.Environment.IsZero() {
		v.Scope = ofAccount
	}
	return v
}

// instant is nil for what has not been, or never is.
func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func viewSecret(s delivery.Subscription, value secret.Token, err error) (wire.Data[shownWebhook], error) {
	return wire.Of(shownWebhook{viewWebhook(s), value.Reveal()}, err)
}

// eventType is a type of events that can be subscribed to.
type eventType struct {
	Name      string         `json:"event_type"     doc:"The type." example:"role.permissions.updated" maxLength:"128"`
	Scope     reach          `json:"scope"          doc:"environment: webhooks of Environments and Accounts get it; account: those of Accounts alone."`
	Category  event.Category `json:"category"       doc:"What it belongs to, as in the audit log." example:"rbac" maxLength:"32"`
	About     string         `json:"description"    doc:"What has happened then." maxLength:"1000"`
	Resources []string       `json:"resource_types" doc:"What it may be about." maxItems:"10"`
	Payload   string         `json:"payload_schema" doc:"The schema of its body in the OpenAPI document." example:"WebhookRolePermissionsUpdatedEvent" maxLength:"128"`
}

func viewType(t webhook.Type) eventType {
	v := eventType{
		t.Name, ofEnvironment, t.Category, t.About, append([]string{}, t.Resources...), wire.PayloadSchema(t.Name),
	}
	if t.Account {
		v.Scope = ofAccount
	}
	return v
}

// queuedEvents tells how many events were queued.
type queuedEvents struct {
	Queued int `json:"queued" doc:"How many events are sent anew." minimum:"0"`
}

var (
	tagWebhooks = wire.Tag{
		Name:  "Webhooks",
		About: "Events, sent to you as they happen, signed by Standard Webhooks.",
	}
	webhookID     = wire.PathID[delivery.WebhookID]("id", "The webhook's id.", webhook.ErrNotFound)
	webhookPaging = wire.Paged(delivery.SubscriptionSorts)
	refusals      = []*fault.Error{webhook.ErrUnsupported, webhook.ErrURLRefused}
)

// both registers a route for Environments, through either door, and for Accounts.
func both[In, Out any](
	rt *wire.Router, route wire.Route,
	fn func(ctx context.Context, c *wire.Call, by principal.Actor, at delivery.Place, in In) (Out, error),
) {
	wire.HandleTwins(rt.Twins("/webhooks", tagWebhooks), route,
		func(ctx context.Context, c *wire.Call, by wire.By, in In) (Out, error) {
			return fn(ctx, c, by.Actor, delivery.Place{
				Account: by.In.Application.Account.ID, Application: by.In.Application.ID, Environment: by.In.ID,
			}, in)
		})
	route.ID += "InAccount"
	route.Summary += " (Account)"
	wire.Handle(rt.InAccount("/webhooks", tagWebhooks), route,
		func(ctx context.Context, c *wire.Call, by wire.At[scope.Account], in In) (Out, error) {
			return fn(ctx, c, by.Actor, delivery.Place{Account: by.In.ID}, in)
		})
}

// Routes registers the resource.
func (h *Webhooks) Routes(rt *wire.Router) {
	one := []wire.Parameter{webhookID}
	both(rt, wire.Route{
		Method: http.MethodGet, ID: "listWebhooks", Summary: "List webhooks",
		About: "One page of the webhooks, switched-off ones included. Secrets are never shown again.",
		Needs: permission.WebhookView, Params: []wire.Parameter{webhookPaging}, Status: http.StatusOK,
	}, h.list)
	both(rt, wire.Route{
		Method: http.MethodPost, ID: "createWebhook", Summary: "Create a webhook",
		About: "The answer shows its secret, once. The URL must be https and lead to a public address.",
		Needs: permission.WebhookManage, Idempotent: true, Status: http.StatusCreated,
		Faults: append([]*fault.Error{webhook.ErrLimitReached}, refusals...), Writes: []wire.EventType{webhook.Created},
	}, h.create)
	both(rt, wire.Route{
		Method: http.MethodGet, Path: "/event-types", ID: "listEventTypes", Summary: "List types of events",
		About: "All types of events that webhooks can get, those of Environments first. More may come; who gets " +
			"one that is unknown ignores it.",
		Anybody: true, Status: http.StatusOK,
	}, h.types)
	both(rt, wire.Route{
		Method: http.MethodGet, Path: "/{id}", ID: "getWebhook", Summary: "Read a webhook",
		About: "It comes without its secret.",
		Needs: permission.WebhookView, Params: one, Status: http.StatusOK,
	}, h.get)
	both(rt, wire.Route{
		Method: http.MethodPatch, Path: "/{id}", ID: "updateWebhook", Summary: "Change a webhook",
		About: "It counts for the next attempt of what is queued, too: what it no longer wants is dropped, and " +
			"switching it off ends everything as failed.",
		Needs: permission.WebhookManage, Params: one, Status: http.StatusOK, Faults: refusals,
		Writes: []wire.EventType{webhook.Updated},
	}, h.update)
	both(rt, wire.Route{
		Method: http.MethodDelete, Path: "/{id}", ID: "deleteWebhook", Summary: "Delete a webhook",
		About: "What is queued for it is dropped.",
		Needs: permission.WebhookManage, Params: one, Status: http.StatusNoContent,
		Writes: []wire.EventType{webhook.Deleted},
	}, h.delete)
	both(rt, wire.Route{
		Method: http.MethodPost, Path: "/{id}/rotate-secret", ID: "rotateWebhookSecret",
		Summary: "Give a webhook a new secret",
		About: "The answer shows it, once. For some hours the one before signs, too, so that receivers can change over; " +
			"there are never more than two.",
		Needs: permission.WebhookManage, Params: one, Status: http.StatusOK,
		Writes: []wire.EventType{webhook.Rotated},
	}, h.rotate)
	both(rt, wire.Route{
		Method: http.MethodPost, Path: "/{id}/replay", ID: "replayWebhook", Summary: "Send events anew",
		About: "The events of a time that are still kept are queued once more, oldest first, with the same ids and " +
			"bodies, up to 10,000. Those that are queued already are left out.",
		Needs: permission.WebhookManage, Params: one, Idempotent: true, Status: http.StatusAccepted,
		Faults: []*fault.Error{webhook.ErrUnsupported, webhook.ErrReplaying},
		Writes: []wire.EventType{webhook.Replayed},
	}, h.replay)
	h.deliveries(rt)
}

func (h *Webhooks) list(
	ctx context.Context, c *wire.Call, _ principal.Actor, at delivery.Place, _ wire.None,
) (wire.Page[ListedWebhook], error) {
	list, info, err := h.Webhooks.List(ctx, at, webhookPaging.Of(c))
	return wire.PageOf(list, info, err, viewWebhook)
}

func (h *Webhooks) create(
	ctx context.Context, _ *wire.Call, by principal.Actor, at delivery.Place, in webhook.Draft,
) (wire.Data[shownWebhook], error) {
	return viewSecret(h.Webhooks.Create(ctx, by, at, in))
}

func (h *Webhooks) types(
	ctx context.Context, _ *wire.Call, _ principal.Actor, at delivery.Place, _ wire.None,
) (wire.Items[eventType], error) {
	list, err := h.Webhooks.EventTypes(ctx, at)
	return wire.ItemsOf(list, err, viewType)
}

func (h *Webhooks) get(
	ctx context.Context, c *wire.Call, _ principal.Actor, at delivery.Place, _ wire.None,
) (wire.Data[ListedWebhook], error) {
	s, err := h.Webhooks.Get(ctx, at, webhookID.Of(c))
	return wire.Of(viewWebhook(s), err)
}

func (h *Webhooks) update(
	ctx context.Context, c *wire.Call, by principal.Actor, at delivery.Place, in webhook.Change,
) (wire.Data[ListedWebhook], error) {
	s, err := h.Webhooks.Update(ctx, by, at, webhookID.Of(c), in)
	return wire.Of(viewWebhook(s), err)
}

func (h *Webhooks) delete(
	ctx context.Context, c *wire.Call, by principal.Actor, at delivery.Place, _ wire.None,
) (wire.Empty, error) {
	return wire.Empty{}, h.Webhooks.Delete(ctx, by, at, webhookID.Of(c))
}

func (h *Webhooks) rotate(
	ctx context.Context, c *wire.Call, by principal.Actor, at delivery.Place, in webhook.SecretChange,
) (wire.Data[shownWebhook], error) {
	return viewSecret(h.Webhooks.Rotate(ctx, by, at, webhookID.Of(c), in))
}

func (h *Webhooks) replay(
	ctx context.Context, c *wire.Call, by principal.Actor, at delivery.Place, in webhook.Range,
) (wire.Data[queuedEvents], error) {
	n, err := h.Webhooks.Replay(ctx, by, at, webhookID.Of(c), in)
	return wire.Of(queuedEvents{n}, err)
}
