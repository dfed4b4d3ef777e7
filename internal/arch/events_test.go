package arch_test

import (
	"go/ast"
	"go/constant"
	"go/types"
	"slices"
	"strings"
	"testing"

	"canopy.dev/canopy/internal/server"
)

// TestEveryEventIsInTheCatalogue: an event that a room declares is one that some
// route, or the background work of the server, says it records; and an action has
// one declaration.
func TestEveryEventIsInTheCatalogue(t *testing.T) {
	t.Parallel()
	var catalogue []string
	for _, e := range server.Events() {
		catalogue = append(catalogue, e.Action)
	}
	declared := map[string]bool{}
	for _, p := range packages(t) {
		for _, f := range p.files {
			ast.Inspect(f, func(n ast.Node) bool {
				lit, ok := n.(*ast.CompositeLit)
				if !ok || !eventType(p.info.Types[lit].Type) {
					return true
				}
				action := ""
				for _, e := range lit.Elts {
					field := e.(*ast.KeyValueExpr)
					if field.Key.(*ast.Ident).Name == "Action" {
						action = constant.StringVal(p.info.Types[field.Value].Value)
					}
				}
				switch {
				case action == "":
					t.Errorf("%s: an event without an action", at(n))
				case declared[action]:
					t.Errorf("%s: %s is declared twice", at(n), action)
				case !slices.Contains(catalogue, action):
					t.Errorf("%s: no route says that it records %s", at(n), action)
				}
				declared[action] = true
				return true
			})
		}
	}
	for _, action := range catalogue {
		if !declared[action] {
			t.Errorf("%s is in the catalogue and nobody declares it", action)
		}
	}
}

func eventType(t types.Type) bool {
	named, ok := t.(*types.Named)
	return ok && named.Obj().Name() == "Type" && strings.HasSuffix(named.Obj().Pkg().Path(), "/events/event")
}

// TestEveryDoorProvokesItsCodes: each door has a test that provokes every code
// which its routes declare.
func TestEveryDoorProvokesItsCodes(t *testing.T) {
	t.Parallel()
	for door := range server.Doors() {
		if door == "server" {
			continue // codes_test.go of server provokes the codes of the checks before every handler
		}
		if !inTests(t, "internal/api/"+door, `servertest.DoorCodes("`+door+`")`) {
			t.Errorf("no test of internal/api/%s provokes its codes (servertest.EveryCode)", door)
		}
	}
}
