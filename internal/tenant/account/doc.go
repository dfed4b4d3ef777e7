// Package account owns Accounts and their slugs: the tables account and
// account_slug. It refuses to know how people sign in and who belongs to an
// Account, which is portaluser's.
//
//	ReserveSlug ──► reserved ──Create──► final
//	                   └──reserved_until──► free for the next one
package account
