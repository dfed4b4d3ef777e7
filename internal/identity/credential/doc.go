// Package credential owns how identities prove who they are, as far as administrators and
// backends have a hand in it.
//
// It calls enduser. It refuses to judge a password that somebody signs in with.
package credential
