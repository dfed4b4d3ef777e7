// Package webhook tells others what happens: who subscribes to events, and the sending of them.
//
//	Create ──► active ──SetActive, 410, or failing for 5 days──► switched off
//	             │ each event of its types
//	             ▼
//	           delivery ──Sender──► POST, signed by Standard Webhooks, up to ten times
//
// A secret is shown once, by the answer that makes it, and lies sealed under the install key.
// For a time after a rotation two of them sign.
//
// The Sender works beside the calls, in every process; a subscription is served by one of them
// at a time, with up to ten requests in flight. One that is slow delays no other.
//
// It owns no table: rows are package delivery's. It refuses to know what an event means.
package webhook
