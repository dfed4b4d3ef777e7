package command_test

import (
	"bytes"
	"encoding/xml"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/command"
)

// folder is a place with files, in which canopy test runs.
type folder struct {
	*testing.T
	at string
}

func newFolder(t *testing.T, files map[string]string) folder {
	t.Helper()
	f := folder{t, t.TempDir() + string(filepath.Separator)}
	for name, text := range files {
		if err := os.WriteFile(f.at+name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// test runs canopy test; names of files are those of the folder, in what it says too.
func (f folder) test(args ...string) (code int, out, errs string) {
	f.Helper()
	for i, arg := range args {
		if !strings.HasPrefix(arg, "--") {
			args[i] = f.at + arg
		}
	}
	var stdout, stderr bytes.Buffer
	p := &command.Program{Args: append([]string{"test"}, args...), Stdout: &stdout, Stderr: &stderr}
	code = p.Run(f.Context())
	plain := strings.NewReplacer(f.at, "")
	return code, plain.Replace(stdout.String()), plain.Replace(stderr.String())
}

const scenarioGuide = "../../docs/guide/testing-access.md"

// TestGuideOfTestingAccess: the files of the guide hold, and what it shows of one that does
// not is what is said.
func TestGuideOfTestingAccess(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile(scenarioGuide)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"production.json": exported(t)}
	for _, m := range regexp.MustCompile("(?s)```txtar (\\S+)\n(.*?)```").FindAllStringSubmatch(string(guide), -1) {
		files[m[1]] = m[2]
	}
	shown := regexp.MustCompile("(?s)```text\n(.*?)```").FindSubmatch(guide)
	f := newFolder(t, files)
	code, out, errs := f.test("leases.txtar")
	if code != 0 || !strings.Contains(string(guide), "$ canopy test leases.txtar\n"+out) {
		t.Errorf("%d %s%s", code, out, errs)
	}
	if code, out, errs := f.test("--world", "production.json", "leases-of-production.txtar"); code != 0 {
		t.Errorf("%d %s%s", code, out, errs)
	}
	const right = "ann lease.approve at south => denied: no_assignment"
	wrong := strings.Replace(files["leases.txtar"], right, "ann lease.approve at south => allowed by Regional Manager", 1)
	f = newFolder(t, map[string]string{"leases.txtar": wrong})
	code, out, _ = f.test("leases.txtar")
	if diff := cmp.Diff(string(shown[1]), out); code != 1 || diff != "" {
		t.Errorf("%d %s", code, diff)
	}
}

const small = `A small world.
-- world --
permission a.read
role Reader: a.read
node root
member ann
assign Reader to ann at root
-- ask --
now 2026-01-01T00:00:00Z
ann a.read at root => allowed by Reader
ann a.read at nothing => 400 validation
`

// TestScenarioFilesThatCannotBeRead are named with the line, and end with 2.
func TestScenarioFilesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ old, with, want string }{
		{"role Reader", "rule Reader", `x.txtar:4: "rule Reader: a.read": is not a statement`},
		{"member ann", "member ann\n\n# a note\nmember root", `x.txtar:9: "member root": "root" is a node`},
		{"ann a.read at root", "bob a.read at root", `x.txtar:10: "bob a.read at root": there is no identity called "bob"`},
		{" =>", "", `x.txtar:10: "ann a.read at root allowed by Reader" is not a question`},
		{"-- ask --", "-- sak --", `x.txtar:8: section "sak": is not a kind of section`},
		{"-- world --", "-- wrld --", `x.txtar:2: the first section is not the world`},
		{"A small world.\n", "", `x.txtar:1: no comment says what this shows`},
		{"now 2026", "now then", `x.txtar:9: parsing time`},
		{"node root", "tree\n  root\n    be;low", `x.txtar:7: "be;low": is not a statement`},
		{"=>", "=", `x.txtar:10:`},
	} {
		f := newFolder(t, map[string]string{"x.txtar": strings.Replace(small, c.old, c.with, 1), "good.txtar": small})
		code, out, errs := f.test("x.txtar", "good.txtar")
		const good = "ok    good.txtar: 2 of 2 questions hold"
		if code != 2 || !strings.HasPrefix(errs, c.want) || !strings.Contains(out, good) {
			t.Errorf("%q: %d %s%s", c.with, code, out, errs)
		}
	}
	f := newFolder(t, map[string]string{
		"x.txtar": small, "empty.txtar": "Asks nothing.\n-- world --\nmember ann\n", "x.json": "{}",
	})
	for _, args := range [][]string{
		{"none.txtar"},
		{"empty.txtar"},
		{"--world", "none.json", "x.txtar"},
		{"--world", "x.json", "x.txtar"},
		{"--junit", "none/report.xml", "x.txtar"},
		{},
		{"--what"},
	} {
		if code, _, errs := f.test(args...); code != 2 || errs == "" {
			t.Errorf("%v: %d %s", args, code, errs)
		}
	}
}

// exported is what GET …/export answers.
func exported(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile("testdata/export.json")
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestJUnit: a case for each question, with what a failed one says.
func TestJUnit(t *testing.T) {
	t.Parallel()
	wrong := strings.Replace(small, "allowed by Reader", "denied: no_assignment", 1)
	f := newFolder(t, map[string]string{"good.txtar": small, "wrong.txtar": wrong, "broken.txtar": "x"})
	if code, out, errs := f.test("--junit", "report.xml", "good.txtar", "wrong.txtar", "broken.txtar"); code != 2 {
		t.Errorf("%d %s%s", code, out, errs)
	}
	raw, err := os.ReadFile(f.at + "report.xml")
	if err != nil {
		t.Fatal(err)
	}
	var report struct {
		Suites []struct {
			Tests    int `xml:"tests,attr"`
			Failures int `xml:"failures,attr"`
			Errors   int `xml:"errors,attr"`
			Cases    []struct {
				Name    string  `xml:"name,attr"`
				Failure *string `xml:"failure"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(raw, &report); err != nil {
		t.Fatal(err)
	}
	var counts [][3]int
	for _, s := range report.Suites {
		counts = append(counts, [3]int{s.Tests, s.Failures, s.Errors})
	}
	if diff := cmp.Diff([][3]int{{2, 0, 0}, {2, 1, 0}, {1, 0, 1}}, counts); diff != "" {
		t.Fatal(diff)
	}
	failed := report.Suites[1].Cases[0]
	if failed.Name != "ann a.read at root (line 10)" || failed.Failure == nil ||
		!strings.Contains(*failed.Failure, "got  allowed by Reader") || report.Suites[0].Cases[0].Failure != nil {
		t.Errorf("%s", raw)
	}
}

// TestScenarioOnAnExport: words for nodes, additions, and what can't be told apart.
func TestScenarioOnAnExport(t *testing.T) {
	t.Parallel()
	ask := func(world, lines string) string {
		return "On an export.\n-- world --\nmember ann\n" + world + "\n-- ask --\nnow 2026-01-01T00:00:00Z\n" + lines + "\n"
	}
	export := exported(t)
	given := "assign 'Regional Manager' to ann at acme/north"
	for _, c := range []struct {
		world, lines, want string
		code               int
	}{
		{given, "ann lease.approve at 'Acme Realty/North/Hamburg' => allowed by Regional Manager", "", 0},
		{given, "ann lease.approve at Hamburg => allowed by Regional Manager", "", 0},
		{given, "ann lease.approve at /acme/north/hamburg => allowed by Regional Manager", "", 0},
		{given, `ann lease.approve at "019db0aa-0202-76fd-aeeb-975729fae923" => allowed by Regional Manager`, "", 0},
		{given, "ann lease.approve at south => denied: no_assignment", "", 0},
		{given, "ann lease.approve at acme/south/closed => denied: node_inactive", "", 0},
		{given, "ann lease.sell at north => denied: permission_unknown", "", 0},
		{given, "ann audit.view at north => denied: permission_not_granted", "", 0},
		{given, "ann lease.approve at branch => allowed", `"branch" may be acme/north/branch or acme/south/branch`, 2},
		{given, "ann lease.approve at acme/west => denied: no_assignment", `there is no node called "acme/west"`, 2},
		{"node west under acme\nassign Frozen to ann at west", "ann lease.approve at west => denied: role_inactive", "", 0},
		{"node west", "ann lease.approve at west => denied: no_assignment", "the tree of the export has its root", 2},
		{given + "\ndeactivate North", "ann lease.approve at hamburg => denied: node_inactive", "", 0},
		{given, "who has lease.approve at hamburg =>\n  ann: Regional Manager at acme/north", "", 0},
		{given, "impact of move hamburg under south =>\n  ann loses lease.approve at acme/north/hamburg", "", 0},
	} {
		f := newFolder(t, map[string]string{"world.json": export, "x.txtar": ask(c.world, c.lines)})
		code, out, errs := f.test("--world", "world.json", "x.txtar")
		if code != c.code || !strings.Contains(errs, c.want) {
			t.Errorf("%s: %d %s%s", c.lines, code, out, errs)
		}
	}
	alone := newFolder(t, map[string]string{
		"world.json": strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(export), `{"data":`), "}"),
		"x.txtar": "Without a world of its own.\n-- ask --\nnow 2026-01-01T00:00:00Z\n" +
			"\"x\" lease.approve at north => denied: identity_not_found\n",
	})
	if code, out, errs := alone.test("--world", "world.json", "x.txtar"); code != 0 {
		t.Errorf("%d %s%s", code, out, errs)
	}
}
