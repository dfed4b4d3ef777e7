package server_test

import (
	"maps"
	"strings"

	"canopy.dev/canopy/internal/server/servertest"
)

// hookURL is public; nothing is sent there, as no test server sends by itself.
const hookURL = "https://93.184.215.14/hook"

func newWebhook() m { return m{"url": hookURL, "event_types": []string{"*"}} }

func always() m {
	return m{"from": "2026-01-01T00:00:00Z", "to": "2030-01-01T00:00:00Z"}
}

func (g *ground) webhook() string { return g.made("/webhooks", newWebhook()) }

func ofWebhook(suffix string) func(g *ground) string {
	return at("/webhooks/", (*ground).webhook, suffix)
}

// delivery is the path of a delivery below the place.
func delivery(g *ground, place string) string {
	id := g.owner.Must(201, "POST", place+"/webhooks", newWebhook()).Text("data", "id")
	made := g.owner.Must(202, "POST", place+"/webhooks/"+id+"/test", nil).Text("data", "id")
	return "/webhooks/" + id + "/deliveries/" + made
}

func ofDelivery(suffix string) func(g *ground) string {
	return func(g *ground) string { return delivery(g, g.at) + suffix }
}

// webhookCells are the calls about webhooks.
var webhookCells = map[string]map[int]produce{
	"GET /api/v1/webhooks": {200: func(g *ground) answer {
		g.webhook()
		return g.call("GET", "/webhooks?q=HOOK&sort_by=url", nil)
	}},
	"POST /api/v1/webhooks": {
		201: ofThing("POST", fixed("/webhooks"), newWebhook()),
		400: ofThing("POST", fixed("/webhooks"), m{"url": hookURL, "event_types": []string{}}),
	},
	"GET /api/v1/webhooks/event-types": {200: ofThing("GET", fixed("/webhooks/event-types"), nil)},
	"GET /api/v1/webhooks/{id}":        {200: ofThing("GET", ofWebhook(""), nil)},
	"PATCH /api/v1/webhooks/{id}": {
		200: ofThing("PATCH", ofWebhook(""), m{
			"description": "CRM", "is_active": false, "event_types": []string{"node.moved"},
		}),
		400: ofThing("PATCH", ofWebhook(""), m{"event_types": []string{"*", "node.moved"}}),
	},
	"DELETE /api/v1/webhooks/{id}": {204: ofThing("DELETE", ofWebhook(""), nil)},
	"GET /api/v1/webhooks/{id}/deliveries": {200: func(g *ground) answer {
		at, _, _ := strings.Cut(delivery(g, g.at), "/deliveries")
		return g.call("GET", at+"/deliveries?status=pending&q=Test", nil)
	}},
}

// furtherWebhookCells are those that the contract does not have.
var furtherWebhookCells = map[string]map[int]produce{
	"GET /api/v1/webhooks/{id}/deliveries/{deliveryId}":        {200: ofThing("GET", ofDelivery(""), nil)},
	"POST /api/v1/webhooks/{id}/deliveries/{deliveryId}/retry": {202: ofThing("POST", ofDelivery("/retry"), nil)},
	"POST /api/v1/webhooks/{id}/rotate-secret": {
		200: ofThing("POST", ofWebhook("/rotate-secret"), m{"overlap_hours": 3}),
		400: ofThing("POST", ofWebhook("/rotate-secret"), m{"overlap_hours": 169}),
	},
	"POST /api/v1/webhooks/{id}/test": {202: ofThing("POST", ofWebhook("/test"), nil)},
	"POST /api/v1/webhooks/{id}/replay": {
		202: ofThing("POST", ofWebhook("/replay"), always()),
		400: ofThing("POST", ofWebhook("/replay"), m{"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}),
	},
}

// manyWebhooks says that there are as many as there may be.
const (
	manyWebhooks = `INSERT INTO webhook_count (scope_id, account_id, count) VALUES ($1, $1, 50)`
	unknownEvent = "thing.unknown"
)

// refusedWebhooks are the refusals of webhooks below a place.
func refusedWebhooks(
	call func(g *ground, method, path string, body any) answer, made func(g *ground) string, fill func(g *ground),
) map[string]map[string]produce {
	with := func(method, suffix string, body m) produce {
		return func(g *ground) answer {
			at := "/webhooks"
			if suffix != "" || method == "PATCH" {
				at += "/" + made(g) + suffix
			}
			return call(g, method, at, body)
		}
	}
	unknown := m{"url": hookURL, "event_types": []string{unknownEvent}}
	private := m{"url": "https://10.0.0.1/", "event_types": []string{"*"}}
	missing := func(method, suffix string, body any) produce {
		return func(g *ground) answer { return call(g, method, "/webhooks/"+made(g)+suffix, body) }
	}
	nobody := "/deliveries/" + servertest.NoID
	unknownRange := always()
	unknownRange["event_types"] = []string{unknownEvent}
	return map[string]map[string]produce{
		"create": {
			"webhooks.unsupported_event": with("POST", "", unknown), "webhooks.url_refused": with("POST", "", private),
			"webhooks.limit_reached": func(g *ground) answer {
				fill(g)
				return call(g, "POST", "/webhooks", newWebhook())
			},
		},
		"update": {
			"webhooks.unsupported_event": with("PATCH", "", m{"event_types": []string{unknownEvent}}),
			"webhooks.url_refused":       with("PATCH", "", m{"url": "http://93.184.215.14/"}),
		},
		"replay": {
			"webhooks.unsupported_event": with("POST", "/replay", unknownRange),
			"webhooks.replay_running": func(g *ground) answer {
				at := "/webhooks/" + made(g)
				g.role()
				g.p.Execute(`DELETE FROM webhook_delivery`)
				call(g, "POST", at+"/replay", always())
				return call(g, "POST", at+"/replay", always())
			},
			"webhooks.not_found": func(g *ground) answer {
				return call(g, "POST", "/webhooks/"+servertest.NoID+"/replay", always())
			},
		},
		"delivery": {"webhooks.not_found": missing("GET", nobody, nil)},
		"retry":    {"webhooks.not_found": missing("POST", nobody+"/retry", nil)},
	}
}

// webhookCodes are the calls that are refused with codes of webhooks.
var webhookCodes = func() map[string]map[string]produce {
	inEnvironment := refusedWebhooks(
		func(g *ground, method, path string, body any) answer { return g.call(method, path, body) },
		(*ground).webhook, func(g *ground) { g.crowded(manyWebhooks) })
	inAccount := refusedWebhooks(
		func(g *ground, method, path string, body any) answer {
			return g.owner.Do(method, g.account()+path, body)
		},
		(*ground).accountWebhook, func(g *ground) { g.p.Execute(manyWebhooks, g.accountID()) })
	codes := map[string]map[string]produce{}
	for what, op := range map[string][2]string{
		"create": {"POST /api/v1/webhooks", "createWebhookInAccount"},
		"update": {"PATCH /api/v1/webhooks/{id}", "updateWebhookInAccount"},
		"replay": {"POST /api/v1/webhooks/{id}/replay", "replayWebhookInAccount"},
		"delivery": {
			"GET /api/v1/webhooks/{id}/deliveries/{deliveryId}", "getWebhookDeliveryInAccount",
		},
		"retry": {
			"POST /api/v1/webhooks/{id}/deliveries/{deliveryId}/retry", "retryWebhookDeliveryInAccount",
		},
	} {
		codes[op[0]], codes[op[1]] = inEnvironment[what], inAccount[what]
	}
	return codes
}()

func (g *ground) accountWebhook() string {
	return g.owner.Must(201, "POST", g.account()+"/webhooks", newWebhook()).Text("data", "id")
}

// webhookCalls are those of an Account's webhooks.
var webhookCalls = map[string]ownCall{
	"createWebhookInAccount":       {body: newWebhook()},
	"updateWebhookInAccount":       {body: m{"is_active": false}},
	"rotateWebhookSecretInAccount": {body: m{}},
	"replayWebhookInAccount":       {body: always()},
	"testWebhookInAccount":         {},
	"getWebhookDeliveryInAccount": {path: func(g *ground) string {
		return g.account() + delivery(g, g.account())
	}},
	"retryWebhookDeliveryInAccount": {path: func(g *ground) string {
		return g.account() + delivery(g, g.account()) + "/retry"
	}},
}

func init() { //nolint:gochecknoinits // the tables are one, in files by what they are about
	maps.Copy(ownCalls, webhookCalls)
	maps.Copy(beyondContract, furtherWebhookCells)
}
