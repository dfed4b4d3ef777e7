package arch_test

import (
	"go/ast"
	"go/token"
	"regexp"
	"testing"
)

// inSQL is what databases do about case, each in its own way and some by locale.
var inSQL = regexp.MustCompile(`(?i)\b(lower|upper|initcap)\s*\([a-z]+\.|\bILIKE\b|COLLATE\s+NOCASE`)

// TestNoSQLFoldsCase: text.Fold is the one way, so that both engines agree.
func TestNoSQLFoldsCase(t *testing.T) {
	t.Parallel()
	if !inSQL.MatchString("ORDER BY lower(acc.name)") || !inSQL.MatchString("name ILIKE $1") {
		t.Fatal("what is looked for is not found")
	}
	for _, p := range packages(t) {
		for _, f := range p.files {
			ast.Inspect(f, func(n ast.Node) bool {
				if text, ok := n.(*ast.BasicLit); ok && text.Kind == token.STRING && inSQL.MatchString(text.Value) {
					t.Errorf("%s: SQL that folds case by itself; keep the text folded (text.Fold)", at(n))
				}
				return true
			})
		}
	}
}
