package arch_test

import (
	"go/ast"
	"go/constant"
	"testing"

	"canopy.dev/canopy/internal/server"
)

// TestEveryFaultIsInTheCatalogue: a fault that a room declares is one that some
// route says it answers; otherwise the route forgot it, or the fault is dead.
func TestEveryFaultIsInTheCatalogue(t *testing.T) {
	t.Parallel()
	answered := map[string]bool{}
	for _, e := range server.Errors() {
		answered[e.Code] = true
	}
	declared := map[string]bool{}
	for _, p := range packages(t) {
		for _, f := range p.files {
			ast.Inspect(f, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || len(call.Args) != 3 {
					return true
				}
				var name *ast.Ident
				switch fn := call.Fun.(type) {
				case *ast.SelectorExpr:
					name = fn.Sel
				case *ast.Ident:
					name = fn
				default:
					return true
				}
				if o := p.info.Uses[name]; o == nil || o.Pkg() == nil ||
					o.Pkg().Path()+"."+o.Name() != module+"/internal/foundation/fault.New" {
					return true
				}
				v := p.info.Types[call.Args[1]].Value
				if v == nil {
					t.Errorf("%s: the code of a fault is a constant", at(call))
					return true
				}
				code := constant.StringVal(v)
				if declared[code] {
					t.Errorf("%s: %s is declared twice", at(call), code)
				}
				if declared[code] = true; !answered[code] {
					t.Errorf("%s: no route says that it answers %s", at(call), code)
				}
				return true
			})
		}
	}
	for code := range answered {
		if !declared[code] {
			t.Errorf("%s is answered and nobody declares it", code)
		}
	}
}
