// Package wire speaks HTTP for every door: routes, bodies, envelopes, errors,
// request ids, versions, idempotency. Only wire turns a fault into a status and
// writes it. It knows no room: the wiring hands in what checks credentials.
//
// A door groups its routes by who may call them and where they are (Router.Public,
// Users, InAccount, …); a Route says what one operation needs besides. The router
// enforces it before the handler runs, the OpenAPI document prints it, tests walk
// it. What the checks have proved is the handler's argument:
//
//	request ─► origin ─► limits ─► credential ─► kind ─► place ─► right
//	        ─► size, media type ─► replay ─► parameters, body ─► If-Match ─► handler
//	                                                                          │
//	answer ◄── envelope, or fault → status, code, problem ◄───────────────────┘
//
// Huma supplies JSON schemas, the validation of types against them and the model
// of the OpenAPI document; the dispatcher is our own because of that order
// (docs/adr/0003-dispatcher.md).
package wire
