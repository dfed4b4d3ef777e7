// Package wire speaks HTTP for every door: routes, bodies, envelopes, errors,
// request ids, versions, idempotency. Only wire turns a fault into a status and
// writes it. It knows no room; credentials are checked by an Authenticator that
// the wiring hands in.
//
// The order of checks is the contract's: size and media type, credential,
// principal type, tenant in the path, idempotency, headers and body; then the
// door's handler runs its use case.
//
// Huma supplies JSON schemas, their validation and the OpenAPI document; the
// dispatcher is our own because of that order (docs/adr/0003-dispatcher.md).
package wire
