package arch_test

import (
	"go/ast"
	"go/types"
	"slices"
	"testing"
)

// outsideTasks are the rooms that begin goroutines without package task, and why that
// can't end the process in production.
var outsideTasks = map[string]string{
	"database":           "closes what it has opened, at the end of the process",
	"decide/decidebench": "measures, in a process of its own",
}

// TestGoroutinesOutliveTheirPanics: whatever begins a goroutine runs its work by package
// task, which logs a panic instead of ending the process.
func TestGoroutinesOutliveTheirPanics(t *testing.T) {
	t.Parallel()
	needed := map[string]bool{}
	for _, p := range packages(t) {
		if slices.Contains(helpers, p.room()) {
			continue
		}
		for _, f := range p.files {
			ast.Inspect(f, func(n ast.Node) bool {
				var work ast.Node
				switch n := n.(type) {
				case *ast.GoStmt:
					work = n.Call
				case *ast.CallExpr:
					fn, ok := calls(p, n).(*types.Func)
					if !ok || fn.FullName() != "(*sync.WaitGroup).Go" {
						return true
					}
					work = n.Args[0]
				default:
					return true
				}
				if outsideTasks[p.room()] != "" {
					needed[p.room()] = true
				} else if !tried(p, work) {
					t.Errorf("%s: %s begins a goroutine whose panic ends the process; use package task", at(n), p.room())
				}
				return true
			})
		}
	}
	for room := range outsideTasks {
		if !needed[room] {
			t.Errorf("%s no longer needs its exception", room)
		}
	}
}

// tried reports whether work calls a function of package task.
func tried(p *source, work ast.Node) (found bool) {
	ast.Inspect(work, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			fn := calls(p, call)
			found = found || fn != nil && fn.Pkg() != nil && fn.Pkg().Path() == module+"/internal/foundation/task"
		}
		return !found
	})
	return found
}

// calls is the function that a call names, if it names one.
func calls(p *source, call *ast.CallExpr) types.Object {
	switch fun := ast.Unparen(call.Fun).(type) {
	case *ast.Ident:
		return p.info.Uses[fun]
	case *ast.SelectorExpr:
		return p.info.Uses[fun.Sel]
	}
	return nil
}
