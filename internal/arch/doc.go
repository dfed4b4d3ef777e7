// Package arch holds the rules that keep the house in order, as tests; it has no
// code. They read the source of every package under internal and cmd:
//
//   - areas: imports point to lower areas; the few that stay within one are listed
//     with a reason, and the README shows the same areas
//   - doors: each dangerous thing (environment, SQL, SMTP, outgoing HTTP,
//     cryptography, clock, randomness) has one door
//   - owners: a table is named in SQL by its owner alone
//   - tenants: SQL that touches an Account's table names the Account
//   - faults, events: what a room declares stands in the catalogue, by the routes
//     that answer or record it
//   - guide: the code that the guide shows is the code
//   - style: package comments, no init, no package variable that changes, no
//     notes to self, no endless file
//
// An exception stands in its rule's table with a reason, and a rule fails when
// one of its exceptions is no longer needed.
package arch
