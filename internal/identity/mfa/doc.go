// Package mfa owns the second factors of identities: the tables identity_factor,
// identity_recovery_code and identity_device, one set of factors for the whole Account.
//
// It calls enduser and membership. For now it tells what is there, and lets an administrator
// reset it: nobody enrols a factor here yet.
package mfa
