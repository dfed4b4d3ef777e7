package portalapi

import (
	"context"
	"net/http"
	"time"

	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/portal/attention"
)

// Attention serves what somebody should look at.
type Attention struct{ Attention *attention.Service }

type concern struct {
	Kind            attention.Kind `json:"kind"             doc:"What is the matter."`
	Count           int            `json:"count"            doc:"How many things." example:"3"`
	ApplicationSlug *string        `json:"application_slug" doc:"The Application they are in; null for the Account's own." maxLength:"63"`
	EnvironmentSlug *string        `json:"environment_slug" doc:"The Environment they are in; null for the Account's own." maxLength:"63"`
	Since           time.Time      `json:"since"            doc:"Of the first of them: when it failed, or will end; of a webhook that fails, since when nothing has been received."`
}

// Routes registers the resource.
func (h *Attention) Routes(rt *wire.Router) {
	wire.Handle(rt.InAccount("/attention", tagAttention), wire.Route{
		Method: http.MethodGet, ID: "listAttention", Summary: "See what wants attention",
		About: "What has failed, and what is about to end: assignments within 7 days, API keys within 14 days, mails " +
			"of open invites that could not be delivered, webhooks that were switched off because nothing was received " +
			"or to which deliveries fail, and whether the server has a mail server.",
		Needs: permission.AccountView, Status: http.StatusOK,
	}, h.list)
}

var tagAttention = wire.Tag{Name: "Attention", About: "What somebody should look at."}

func (h *Attention) list(
	ctx context.Context, _ *wire.Call, by wire.At[scope.Account], _ wire.None,
) (wire.Items[concern], error) {
	items, err := h.Attention.List(ctx, by.In.ID)
	return wire.ItemsOf(items, err, func(i attention.Item) concern {
		c := concern{Kind: i.Kind, Count: i.Count, Since: i.Since}
		if i.Application != "" {
			c.ApplicationSlug, c.EnvironmentSlug = &i.Application, &i.Environment
		}
		return c
	})
}
