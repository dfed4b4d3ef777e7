// Package tenantapi is the door to what the customer company itself is: the
// Account, its Applications and their Environments. It serves portal
// users under /portal/v1. There is one handler struct for each resource; a handler
// decodes, calls one use case and encodes.
package tenantapi

import "canopy.dev/canopy/internal/platform/wire"

// tag groups the operations in the document.
var tag = wire.Tag{Name: "Account", About: "The customer company that everything else belongs to."}
