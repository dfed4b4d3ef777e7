// Package serverbench measures what a whole server answers about access. The command
// "canopy bench evaluate" runs it.
//
//	world by the API ──► server in this process ──► clients over loopback, in turns with
//	                       │     │                     ├─ a bare handler of net/http
//	                       │     │                     └─ a handler of the server that does nothing
//	                       │     └─ PostgreSQL ──► a second server, asked after each write to the first
//	                       └─ its rows ──► the engine without a server, and the naive evaluation
//
// The machine carries both sides, and its neighbours are noisy: what counts are ratios
// within one turn, and medians of turns.
package serverbench
