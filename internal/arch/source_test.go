package arch_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const (
	module = "canopy.dev/canopy"
	root   = "../.."
)

// source is one package of the module, type-checked without its tests.
type source struct {
	ImportPath   string
	Dir          string
	Doc          string
	Export       string
	GoFiles      []string
	Imports      []string
	TestImports  []string
	XTestImports []string
	Standard     bool

	files []*ast.File
	info  *types.Info
}

// room is the package's place in its area, such as "invite" or "decide/oracle";
// a package outside internal is its path in the module.
func (s *source) room() string { return room(s.ImportPath) }

func room(importPath string) string {
	within, inside := strings.CutPrefix(importPath, module+"/internal/")
	if !inside {
		return strings.TrimPrefix(importPath, module+"/")
	}
	for _, a := range areas {
		if name, ok := strings.CutPrefix(within, a.name+"/"); ok {
			return name
		}
	}
	return within
}

var fset = token.NewFileSet()

var load = sync.OnceValues(func() ([]*source, error) {
	cmd := exec.Command("go", "list", "-deps", "-export",
		"-json=ImportPath,Dir,Doc,Export,GoFiles,Imports,TestImports,XTestImports,Standard", "./...")
	cmd.Dir = root
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("go list: %w: %s", err, complaint.String())
	}
	exports := map[string]string{}
	var ours []*source
	for dec := json.NewDecoder(&out); ; {
		p := &source{}
		if err := dec.Decode(p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		exports[p.ImportPath] = p.Export
		if strings.HasPrefix(p.ImportPath, module+"/") {
			ours = append(ours, p)
		}
	}
	compiled := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})
	for _, p := range ours {
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.ParseComments)
			if err != nil {
				return nil, err
			}
			p.files = append(p.files, f)
		}
		p.info = &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}}
		if _, err := (&types.Config{Importer: compiled}).Check(p.ImportPath, fset, p.files, p.info); err != nil {
			return nil, err
		}
	}
	return ours, nil
})

// packages are those of the module, test/ left out: its programs are outsiders
// that measure the whole.
func packages(t *testing.T) []*source {
	t.Helper()
	all, err := load()
	if err != nil {
		t.Fatal(err)
	}
	var list []*source
	for _, p := range all {
		if !strings.HasPrefix(p.ImportPath, module+"/test/") {
			list = append(list, p)
		}
	}
	if len(list) < 20 {
		t.Fatalf("only %d packages were read", len(list))
	}
	return list
}

// at is the place of a node, for complaints.
func at(n ast.Node) string {
	p := fset.Position(n.Pos())
	dir, err := filepath.Abs(root)
	if err == nil {
		if within, err := filepath.Rel(dir, p.Filename); err == nil {
			p.Filename = within
		}
	}
	return fmt.Sprintf("%s:%d", p.Filename, p.Line)
}

// inTests reports whether a test of a folder holds a piece of text.
func inTests(t *testing.T, dir, piece string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(raw), piece) {
			return true
		}
	}
	return false
}
