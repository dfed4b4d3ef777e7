// Package portalapi is the door for portal users: /v1/auth and /portal/v1. There
// is one handler struct for each resource; a handler decodes, calls one use case
// and encodes. Rules, tables and transactions are the rooms'.
package portalapi
