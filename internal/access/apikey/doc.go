// Package apikey owns API keys, by which programs call for one Environment: the tables
// api_key, api_key_use and api_key_denial.
//
//	Create ──► active ◄──SetActive──► disabled      Rotate: a new value, the old one is dead
//	              └──expires_at──► expired          Delete, or the end of the Environment: gone
//
// A key's value is shown once and kept as its SHA-256. Authenticate looks it up in memory,
// which every write to keys and places invalidates: on SQLite this process sees them all,
// on PostgreSQL each call compares the Environment's revision. So what ends a key ends it
// for the very next call, everywhere.
//
// No key makes a stronger key: what a scoped one makes, rotates or switches on has no more
// than its own scopes, and does not outlive it. The room calls environment and revision;
// what the catalogue holds it asks a function that the wiring gives it.
package apikey
