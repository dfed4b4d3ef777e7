// Package certificate owns the TLS certificate that the server shows: a certificate and
// its key in two files, read again while the server runs, or one that an authority gives
// (ACME). It refuses a pair that does not
// fit or has expired, at the start by an error, later by keeping the one before. It listens
// nowhere, and knows no settings.
package certificate
