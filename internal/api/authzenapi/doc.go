// Package authzenapi is the door of the AuthZEN Authorization API 1.0: /access/v1, for
// gateways and tools that speak it. A question is read as the standard words it and asked of
// the same room as those of accessapi.
//
//	subject  identity, user                 an identity
//	action   name                           a permission
//	resource application                    anywhere
//	         any other type, with an id     at the node
//
// Members that nobody knows, properties and contexts are taken and ignored. Bodies are not
// wrapped.
package authzenapi
