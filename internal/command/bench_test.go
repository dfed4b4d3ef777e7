package command_test

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/command"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// evaluated runs canopy bench evaluate on a tiny world.
func evaluated(t *testing.T, flags ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	p := &command.Program{
		Args: append([]string{
			"bench", "evaluate", "--nodes=60", "--identities=120", "--roles=5", "--assignments=100", "--many=3",
			"--clients=2", "--turns=1", "--duration=20ms", "--writes=20",
		}, flags...),
		Stdout: &stdout, Stderr: &stderr,
	}
	if code := p.Run(t.Context()); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr.String())
	}
	return stdout.String()
}

// Of each store, in the order of the table.
var (
	rates = []string{"nothing", "evaluate", "evaluate in 3 Environments"}
	calls = []string{
		"decisions in bulk of 1000", "decisions in bulk of 1000", "evaluate", "explain", "permissions of an identity",
		"accessible-nodes, first page", "who-can, first page", "evaluate beside writes",
	}
	previews = []string{"preview of moving N nodes, first page", "preview of moving N nodes, further page"}
)

func of(store string, names ...[]string) (list []string) {
	for _, some := range names {
		for _, name := range some {
			list = append(list, store+": "+name)
		}
	}
	return list
}

// TestBenchEvaluate: every row is measured, of both stores.
func TestBenchEvaluate(t *testing.T) {
	t.Parallel()
	raw := evaluated(t, "--json", "--postgres="+dbtest.URL(t, database.Postgres))
	var report struct {
		World map[string]any `json:"world"`
		Rows  []struct {
			Name      string  `json:"name"`
			Clients   int     `json:"clients"`
			PerSecond float64 `json:"per_second"`
			P50       float64 `json:"p50_us"`
			P99       float64 `json:"p99_us"`
		} `json:"rows"`
	}
	if err := json.Unmarshal([]byte(raw), &report); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	if report.World["nodes"] != 60.0 || report.World["duration"] != "20ms" || strings.Contains(raw, "postgres:/") {
		t.Errorf("the world is %v", report.World)
	}
	want := []string{"bare net/http"}
	want = append(want, of("sqlite", rates)...)
	want = append(want, of("postgres", rates)...)
	engine := []string{"evaluate", "naive evaluate"}
	inProcess := [][]string{engine, {"explain", "accessible-nodes, first page", "who-can, first page"}}
	got := []string{}
	moved := regexp.MustCompile(`moving \d+ nodes`)
	for _, row := range report.Rows {
		got = append(got, moved.ReplaceAllString(row.Name, "moving N nodes"))
		if row.Clients < 1 || row.PerSecond <= 0 || row.P50 <= 0 || row.P99 < row.P50 {
			t.Errorf("%+v", row)
		}
		if row.Name == "in process: evaluate" && row.Clients > 1 { // on several cores too, where there are some
			inProcess = append([][]string{engine}, inProcess...)
		}
	}
	want = append(want, of("in process", inProcess...)...)
	want = append(want, of("sqlite", calls, previews)...)
	want = append(want, of("postgres", calls, []string{"first answer of a replica after a write"}, previews)...)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// TestBenchEvaluateAsTable: without PostgreSQL, as people read it.
func TestBenchEvaluateAsTable(t *testing.T) {
	t.Parallel()
	out := evaluated(t)
	if !strings.Contains(out, "60 nodes, 120 identities, 5 roles, 100 assignments") {
		t.Errorf("no world in %s", out)
	}
	for _, row := range of("sqlite", rates, calls) {
		if !regexp.MustCompile(`(?m)^ *` + regexp.QuoteMeta(row) + `  +[12]`).MatchString(out) {
			t.Errorf("no row %q in %s", row, out)
		}
	}
	if strings.Contains(out, "postgres") || strings.Contains(out, "replica") {
		t.Errorf("there is no PostgreSQL in %s", out)
	}
}
