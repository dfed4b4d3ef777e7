// Package accessapi is the door to what lies in an Environment: permissions and roles, the
// schema and the tree. Its handlers are mounted twice (wire.Twins): under /api/v1 for API
// keys and portal users, and below the Environment's path under /portal/v1 for portal
// users. There is one handler struct for each resource; a handler decodes, calls one use
// case and encodes.
package accessapi
