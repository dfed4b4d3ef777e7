package dump

import "slices"

// Part is a piece of what is configured in an Environment.
type Part string

// The parts.
const (
	Permissions Part = "permissions"
	Roles       Part = "roles"
	Hierarchy   Part = "hierarchy" // model, schema and nodes
	Clients     Part = "oauth_clients"
	Webhooks    Part = "webhooks"
)

// Enum lists the parts, for schemas.
func (Part) Enum() []string {
	return []string{string(Permissions), string(Roles), string(Hierarchy), string(Clients), string(Webhooks)}
}

// All are the parts that an import replaces that names none.
func All() []Part { return []Part{Permissions, Roles, Hierarchy, Clients, Webhooks} }

// Promoted are those of a promotion that names none.
func Promoted() []Part { return []Part{Permissions, Roles, Hierarchy} }

// parts are those to be replaced.
type parts []Part

func (p parts) has(one Part) bool { return slices.Contains(p, one) }

// Named are the parts of some words, each once; broken says what is wrong with them.
func Named[S ~string](words []S) (list []Part, broken string) {
	for _, word := range words {
		one := Part(word)
		if !slices.Contains(All(), one) || slices.Contains(list, one) {
			return nil, "must be some of permissions, roles, hierarchy, oauth_clients, webhooks, each once"
		}
		list = append(list, one)
	}
	if len(list) == 0 {
		return nil, "must name at least one part"
	}
	return list, ""
}
