// Package feed reads what has happened, oldest first, for those who keep a copy: the pull side
// of webhooks. An Environment's feed has the order of its revisions, an Account's that of the
// numbers which its rows get after their commit (package seal); either never changes, and a
// row that comes later is always behind all that were read before.
//
// It owns no table. It refuses to know who asks, and what an event means.
package feed
