// Package event records what happened, in the transaction in which it happened:
// there is no change without its row and no row without its change. It owns the
// tables audit_event, audit_unsealed, audit_index and audit_swept. Reading, exporting
// and feeding the rows to webhooks come with their own rooms; nothing but this package
// writes them.
//
// Each room declares its events as package variables in events.go, beside its
// faults, with the type of the payload:
//
//	var Created = event.Type[CreatedPayload]{
//		Action: "user_invite.created", Feed: event.OfAccounts, Category: event.Invites, Resource: "user_invite",
//		About: "A colleague was invited.",
//	}
//
// and a use case records one:
//
//	event.Record(ctx, tx, Created, event.Entry{Actor: by, Account: in.ID, Resource: inv.ID.Any()}, payload)
//
// A route lists the events that it can write, and package server the ones of
// background work; both together are the catalogue. A row that can't be written
// fails the call.
//
// No token, password or hash is ever in a row. It refuses to know what an event
// is about, and it decides nothing.
package event
