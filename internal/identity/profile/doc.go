// Package profile holds the use cases that change who an identity is: names, metadata, and the
// switch for the whole Account.
//
// It owns no table: it calls enduser, membership, whose copies it brings along, and
// identitysession. It holds the person and no Environment, so no large write holds it up, and
// every Environment sees a switch by its revision.
package profile
