// Package seal gives the rows of an Account their order, and makes it show when somebody
// touches them behind the server's back. It owns audit_seal and audit_seal_head.
//
// Writers don't wait for each other: a row gets its number after its commit, within seconds,
// by background work, or earlier where somebody reads the Account's feed:
//
//	write ──► audit_unsealed (n) ──commit──► in the order of n ──► number, digest, hash
//
// What queries find the row by is filed in the same moment.
//
// Within an Environment the order is that of its revisions; of two writes of different ones
// the one that was answered before the other was asked comes first; a number that was given
// never changes. Each entry's hash covers the one before, so that changing, removing, adding
// or exchanging a row is found (Verify). Labels and payload of a row enter its digest by a
// digest under a random key: when an erasure rewrites them, the row gets another entry, and
// the key of the first is forgotten, so that nothing can be guessed from what stays. A row
// that was removed by rule leaves its entry.
//
// Who can write the store can also seal: the hash proves something to those who have noted an
// earlier one elsewhere. It refuses to know what an event means.
package seal
