// Package dump moves whole Environments: it exports what is configured in one, imports
// that into another, copies one when it is made, promotes one into another and makes a
// hierarchy flat again. What is configured are the access model and the schema, the
// permissions, the roles and the tree. People, keys and secrets stay where they are.
//
//	          Export                     Import
//	source ──────────► dump, format 1 ──────────► target
//	   └───────────────── Promote ──────────────────▲
//
// Permissions are known again by their keys, roles and nodes by the ref that a copy has of
// its original, else by name, and by slug below the same parent. What is known again keeps
// its id, and so its assignments.
//
// It owns no table: the rooms of trees, roles and assignments read and write their own. It
// refuses to know clients and webhooks, which an Environment does not have yet.
package dump
