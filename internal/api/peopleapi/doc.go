// Package peopleapi is the door to who acts in an Environment: for now its API keys. Its
// handlers are mounted at both doors (wire.Twins). There is one handler struct for each
// resource; a handler decodes, calls one use case and encodes.
package peopleapi
