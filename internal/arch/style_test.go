package arch_test

import (
	"bytes"
	"go/ast"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		want := "Package " + filepath.Base(p.ImportPath) + " "
		if strings.HasPrefix(p.ImportPath, module+"/cmd/") {
			want = "Command " + filepath.Base(p.ImportPath) + " "
		}
		if !strings.HasPrefix(p.Doc, want) {
			t.Errorf("%s: its package comment must begin with %q", p.room(), want)
		}
	}
}

func TestNothingHappensBeforeMain(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		for _, f := range p.files {
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
					t.Errorf("%s: init functions run before anybody asked; make it a call", at(fn))
				}
			}
		}
	}
}

// changing are the package variables that may be set or pointed to.
var changing = map[string]string{
	module + "/internal/access/decide/persist.emptyBucket":  "an empty bucket that is read and never written",
	"github.com/danielgtaylor/huma/v2.DefaultArrayNullable": "the only way to say that lists are never null",
	"github.com/danielgtaylor/huma/v2.ValidateStrictCasing": "the only way to make field names match exactly",
}

// TestPackageVariablesNeverChange: a package variable is a constant that Go has
// no spelling for.
func TestPackageVariablesNeverChange(t *testing.T) {
	t.Parallel()
	needed := map[string]bool{}
	for _, p := range packages(t) {
		changed := func(e ast.Expr) {
			for {
				switch x := e.(type) {
				case *ast.IndexExpr:
					e = x.X
					continue
				case *ast.ParenExpr:
					e = x.X
					continue
				case *ast.SelectorExpr:
					if _, field := p.info.Uses[x.Sel].(*types.Var); field && !packageLevel(p.info.Uses[x.Sel]) {
						e = x.X
						continue
					}
					e = x.Sel
					continue
				}
				break
			}
			name, ok := e.(*ast.Ident)
			if !ok || !packageLevel(p.info.Uses[name]) {
				return
			}
			o := p.info.Uses[name]
			full := o.Pkg().Path() + "." + o.Name()
			if changing[full] == "" {
				t.Errorf("%s: sets the package variable %s, or lets others set it", at(e), full)
			}
			needed[full] = true
		}
		for _, f := range p.files {
			ast.Inspect(f, func(n ast.Node) bool {
				switch s := n.(type) {
				case *ast.AssignStmt:
					for _, e := range s.Lhs {
						changed(e)
					}
				case *ast.IncDecStmt:
					changed(s.X)
				case *ast.UnaryExpr:
					if s.Op == token.AND {
						changed(s.X)
					}
				}
				return true
			})
		}
	}
	for name := range changing {
		if !needed[name] {
			t.Errorf("%s is no longer set: take it off the list", name)
		}
	}
}

func packageLevel(o types.Object) bool {
	v, ok := o.(*types.Var)
	return ok && v.Pkg() != nil && v.Parent() == v.Pkg().Scope()
}

var noteToSelf = regexp.MustCompile(`\b(?:TO` + `DO|FIX` + `ME|X` + `XX|HA` + `CK)\b`)

// longFiles may be longer than most.
var longFiles = map[string]string{}

// TestFilesAreShortAndFinished, whatever they are written in. That functions are
// short is funlen's to see to (.golangci.yml), in tests too.
func TestFilesAreShortAndFinished(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, top := range []string{"cmd", "internal", "test", "scripts", "tools", ".ci"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() {
				return unlessWritten(d.Name())
			}
			name, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			most := mostLines(name)
			if most == 0 {
				return nil
			}
			seen[filepath.Ext(name)] = true
			raw, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			lines := bytes.Count(raw, []byte("\n"))
			if lines > most && longFiles[name] == "" {
				t.Errorf("%s has %d lines, more than %d: it holds more than one subject", name, lines, most)
			}
			if lines <= most && longFiles[name] != "" {
				t.Errorf("%s is no longer long", name)
			}
			if m := noteToSelf.Find(raw); m != nil {
				t.Errorf("%s holds a note to self: %s", name, m)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, ext := range []string{".go", ".js", ".css", ".html", ".tmpl", ".sql", ""} {
		if !seen[ext] {
			t.Errorf("no file ends in %q: is the walk right?", ext)
		}
	}
}

// mostLines is how long a file may be; 0 for one that nobody writes by hand, such
// as an image or a lock file. Scripts have no ending.
func mostLines(name string) int {
	switch filepath.Ext(name) {
	case ".go":
		return 450
	case ".js", ".css", ".html", ".tmpl", ".sql", ".sh":
		return 500
	case "":
		if dir := filepath.Dir(name); dir == "scripts" || dir == ".ci" {
			return 500
		}
	}
	return 0
}

// unlessWritten skips a folder whose files tests or package managers write.
func unlessWritten(dir string) error {
	if dir == "testdata" || dir == "node_modules" {
		return fs.SkipDir
	}
	return nil
}
