// Package eventsapi is the door to what has happened: the change feed and webhooks. A handler decodes, calls
// one use case and encodes.
package eventsapi
