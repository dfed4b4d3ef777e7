// Package delivery owns what webhooks stand on: subscriptions, what is to be delivered to them,
// and what came of it, in the tables webhook, webhook_count, webhook_turn, webhook_delivery and
// webhook_try.
//
//	event ──Queue──► pending ──► success
//	                  ▲   └─ fails, with a pause each time, ten times ──► failed
//	                  └──────────────── Retry, or a replay ─────────────────┘
//
// Queue is called at the end of the transaction in which the events happen, so that there is
// no delivery without its event and no event without its deliveries. One process at a time
// delivers to a subscription: it has the Turn.
//
// The room refuses to know how something is sent, and what an event means; who subscribes and
// who sends are package webhook.
package delivery
