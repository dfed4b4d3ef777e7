// Package signingkey owns the RSA keys that sign Canopy's tokens (RS256), from
// their birth to the day their public half is forgotten, and with them the one
// way to make and the one way to read an access token.
//
//	Ensure, Rotate      +15 min             next key signs      + token life
//	     │── published ────│──── signs ─────────│── published ─────│ retired
//
// The very first key signs at once, and so does one that takes the place of a key that
// was revoked. A revoked key is deleted: nothing brings it back. Keys in memory prove a
// token for 5 seconds; then they are read again, or nothing proves it.
//
// Private keys lie in the table signing_key,
// sealed under an install key; public keys are made from them, so who can only
// write the table can't smuggle in a key. Retired keys stay in the table, unread,
// for a while and are then deleted.
//
// It refuses to decide what a token opens: sessions, memberships and token types
// are the caller's. It calls database, reseal, secret, id and fault; session calls it.
package signingkey
