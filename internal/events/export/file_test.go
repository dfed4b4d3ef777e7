package export_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/events/audit"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/events/export"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/wire"
)

// queried is what the query of a reader answers, oldest first, a row as JSON in each line.
func (w *world) queried(in audit.Reader, q audit.Query) string {
	w.t.Helper()
	q.Limit = 200
	p, err := w.log.List(w.t.Context(), in, q)
	if err != nil || p.Next != "" {
		w.t.Fatal(err, p.Next)
	}
	var b strings.Builder
	for _, r := range slices.Backward(p.Rows) {
		raw, err := wire.Encode(event.Shown(r))
		if err != nil {
			w.t.Fatal(err)
		}
		b.Write(append(raw, '\n'))
	}
	return b.String()
}

// scattered makes things happen everywhere.
func (w *world) scattered() {
	for n, text := range counted(20) {
		for _, in := range []scope.Environment{w.env, w.other, w.stranger} {
			w.happen(in, happened, text)
			w.happen(in, configured, "of administrators "+text)
			w.happen(in, hidden, "hidden "+text)
		}
		if n == 10 {
			w.clock.Advance(100 * time.Hour)
		}
	}
}

// A file holds what the query of the same reader answers: of the surface, within the reach, and
// nothing that is hidden.
func TestFileHasTheRowsOfTheQuery(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		w.scattered()
		narrow := things
		narrow.Q = "0001"
		elsewhere := things
		elsewhere.Environment = w.other.ID
		for what, c := range map[string]struct {
			in   audit.Reader
			q    audit.Query
			rows int
		}{
			"an Environment":          {ofEnvironment(w.env), things, 20},
			"another Environment":     {ofEnvironment(w.env), elsewhere, 0},
			"end users of an Account": {ofAccount(w.env, event.Identities), things, 40},
			"administrators of one":   {ofAccount(w.env, event.Admin), things, 80},
			"one Environment of it":   {ofAccount(w.env, event.Admin), elsewhere, 40},
			"a text":                  {ofAccount(w.env, event.Identities), narrow, 22},
		} {
			want := w.queried(c.in, c.q)
			if n := strings.Count(want, "\n"); n != c.rows {
				t.Errorf("%s: the query gives %d rows", what, n)
			}
			j := w.ask(c.in, c.q, export.NDJSON)
			w.run(w.workerOf(export.WorkerConfig{Page: 7, Piece: 1000}))
			if diff := cmp.Diff(want, w.file(c.in, j.ID)); diff != "" {
				t.Errorf("%s (-query +file):\n%s", what, diff)
			}
			if done, _ := w.get(c.in, j.ID); done.RowCount == nil || *done.RowCount != int64(c.rows) {
				t.Errorf("%s: %v rows", what, done.RowCount)
			}
		}
	})
}

// A table has the members of a row as columns, in their order, and the same in them.
func TestTableHasTheMembersOfRows(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		w.scattered()
		in := ofAccount(w.env, event.Admin)
		file := w.made(in, things, export.CSV)
		head, rest, _ := strings.Cut(file, "\r\n")
		var members []string
		for f := range reflect.TypeFor[event.LogRow]().Fields() {
			members = append(members, f.Tag.Get("json"))
		}
		if head != strings.Join(members, ",") {
			t.Errorf("columns %s", head)
		}
		if n := strings.Count(rest, "\r\n"); n != 80 || strings.Count(rest, "\n") != n {
			t.Errorf("%d lines", n)
		}
		d := jsontext.NewDecoder(strings.NewReader(w.queried(in, things)))
		for _, line := range cells(t, file) {
			var row map[string]jsontext.Value
			if err := json.UnmarshalDecode(d, &row); err != nil {
				t.Fatal(err)
			}
			for i, cell := range line {
				want := string(row[members[i]])
				switch {
				case want == "null":
					want = ""
				case want[0] == '"':
					raw, _ := jsontext.AppendUnquote(nil, []byte(want))
					want = string(raw)
				}
				if cell != want {
					t.Errorf("%s is %q, not %q", members[i], cell, want)
				}
			}
		}
	})
}

// Cells keep every byte, and none is a formula.
func TestCellsAreHarmlessAndExact(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		texts := []string{
			"=1+1", "+1", "-1", "@SUM(A1)", "\ttab", "\rreturn", "a=b", `say "yes"`, "two\nlines", "two\r\nlines", "a\rb", ",",
			" blank", "Zoë Straße 東京", "",
		}
		w.happen(w.env, happened, texts...)
		file := w.made(ofEnvironment(w.env), things, export.CSV)
		for _, want := range []string{
			",'=1+1,", ",'+1,", ",'-1,", ",'@SUM(A1),", ",\"'\ttab\",", ",\"'\rreturn\",", ",a=b,", `,"say ""yes""",`,
			",\"two\nlines\",", ",\"two\r\nlines\",", ",\"a\rb\",", `,",",`, `," blank",`, ",Zoë Straße 東京,",
			`,"{""note"":""=1+1""}",`,
		} {
			if !strings.Contains(file, want) && !strings.Contains(file, strings.ReplaceAll(want, `"`, "")) {
				t.Errorf("there is no %q in\n%s", want, file)
			}
		}
		if n := len(cells(t, file)); n != len(texts) {
			t.Errorf("%d lines", n)
		}
		for _, line := range cells(t, file) {
			for _, cell := range line {
				if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
					t.Errorf("%q may be taken for a formula", cell)
				}
			}
		}
	})
}

// The window of a file is fixed when it is asked for.
func TestWindowIsFixedWhenAsked(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		in := ofEnvironment(w.env)
		w.happen(w.env, happened, "old")
		w.clock.Advance(31 * 24 * time.Hour)
		w.happen(w.env, happened, "in time")
		later := things
		end := w.db.Now().Add(time.Hour)
		later.To = &end
		usual, open := w.ask(in, things, export.NDJSON), w.ask(in, later, export.NDJSON)
		begin := w.db.Now().Add(time.Minute)
		tomorrow := things
		tomorrow.From, tomorrow.To = &begin, &end
		none := w.ask(in, tomorrow, export.NDJSON)
		w.clock.Advance(time.Second)
		w.happen(w.env, happened, "too late")
		w.clock.Advance(time.Hour)
		w.run(w.worker())
		for _, j := range []export.Job{usual, open} {
			if got := w.file(in, j.ID); strings.Count(got, "\n") != 1 || !strings.Contains(got, "in time") {
				t.Errorf("got %s", got)
			}
		}
		if got := w.file(in, none.ID); got != "" {
			t.Errorf("got %s", got)
		}
	})
}

// A page of rows at one instant is no end.
func TestManyRowsOfOneInstant(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		for _, text := range counted(3) {
			w.happen(w.env, happened, "before "+text)
		}
		w.happenAtOnce(w.env, 50)
		w.happen(w.env, happened, "after")
		in := ofEnvironment(w.env)
		for _, page := range []int{1, 5, 9, 1000} {
			j := w.ask(in, things, export.NDJSON)
			w.run(w.workerOf(export.WorkerConfig{Page: page}))
			if got := w.file(in, j.ID); got != w.queried(in, things) {
				t.Errorf("pages of %d give %d rows", page, strings.Count(got, "\n"))
			}
		}
	})
}

func TestEmptyFiles(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		in := ofEnvironment(w.env)
		if got := w.made(in, things, export.NDJSON); got != "" {
			t.Errorf("NDJSON: %q", got)
		}
		got := w.made(in, things, export.CSV)
		if !strings.HasPrefix(got, "id,account_id,") || len(cells(t, got)) != 0 {
			t.Errorf("CSV: %q", got)
		}
	})
}
