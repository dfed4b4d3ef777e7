package export_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/events/audit"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/events/eventtest"
	"canopy.dev/canopy/internal/events/export"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// What is recorded tells what was asked and how much there was, and nothing of it.
func TestLifeOfAJobIsRecorded(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		in := ofEnvironment(w.env)
		w.happen(w.env, happened, counted(3)...)
		q := things
		q.Q = "0000"
		eventtest.Take(t, w.db)
		w.happen(w.env, happened, counted(3)...)
		j := w.ask(in, q, export.CSV)
		if j.Status != export.Pending || j.RowCount != nil || !j.ExpiresAt.IsZero() || j.Surface != "identities" ||
			j.Environment != w.env.ID || j.Application != w.env.Application.ID {
			t.Errorf("asked: %+v", j)
		}
		w.run(w.worker())
		done, link := w.get(in, j.ID)
		if done.Status != export.Completed || *done.RowCount != 3 || done.CompletedAt.IsZero() ||
			done.ExpiresAt.Sub(done.CompletedAt) != 7*24*time.Hour || link == "" {
			t.Errorf("made: %+v", done)
		}
		if err := w.Delete(t.Context(), in, j.ID); err != nil {
			t.Fatal(err)
		}
		var got []string
		stated := `"surface":"identities","format":"csv",` +
			`"filter":{"action":["thing.happened","thing.configured","thing.hidden"],"q":true}`
		for _, r := range eventtest.Take(t, w.db) {
			if strings.HasPrefix(r.Action, "thing.") {
				continue
			}
			if r.Environment != w.env.ID.Any() || r.ResourceID != j.ID.Any() || r.ResourceType != "audit_export" {
				t.Errorf("%+v", r)
			}
			if r.ActorType == "system" && r.Correlation != j.ID.String() {
				t.Errorf("%s belongs to %q", r.Action, r.Correlation)
			}
			got = append(got, fmt.Sprintf("%s %s %s %s %s", r.Action, r.ActorType, r.Severity, r.Outcome, r.Metadata))
		}
		want := []string{
			`audit.export.requested user notice success {` + stated + `}`,
			`audit.export.executed system info success {` + stated + `,"row_count":3}`,
			`audit.export.deleted user notice success {` + stated + `}`,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestTooManyRowsFail(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		in := ofEnvironment(w.env)
		w.happenAtOnce(w.env, 20)
		j := w.ask(in, things, export.NDJSON)
		w.run(w.workerOf(export.WorkerConfig{Most: 20, Page: 4}))
		if got, _ := w.get(in, j.ID); got.Status != export.Completed {
			t.Errorf("20 of 20: %+v", got)
		}
		before := w.pieces()
		j = w.ask(in, things, export.NDJSON)
		w.run(w.workerOf(export.WorkerConfig{Most: 19, Page: 4, Piece: 100}))
		got, link := w.get(in, j.ID)
		if got.Status != export.Failed || got.Error == nil || !strings.Contains(*got.Error, "narrower filter") ||
			link != "" || got.RowCount != nil || !got.ExpiresAt.IsZero() || !got.CompletedAt.IsZero() {
			t.Errorf("20 of 19: %+v", got)
		}
		if w.pieces() != before || w.count("audit.export.failed") != 1 {
			t.Errorf("%d pieces are left of it, %d rows tell", w.pieces()-before, w.count("audit.export.failed"))
		}
	})
}

// Of six who ask at the same time one is refused; what has ended makes room.
func TestFiveAreUnfinishedAtMost(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ask := func(in audit.Reader) string {
			_, err := w.Ask(t.Context(), in, things, export.CSV)
			return dbtest.Outcome(err)
		}
		got := dbtest.AtOnce(6, func() string { return ask(ofEnvironment(w.env)) })
		if got["ok"] != 5 || got["rate_limit.exceeded"] != 1 {
			t.Fatalf("%v", got)
		}
		if got := ask(ofAccount(w.env, event.Admin)); got != "rate_limit.exceeded" {
			t.Errorf("elsewhere in the Account: %s", got)
		}
		if got := ask(ofEnvironment(w.stranger)); got != "ok" {
			t.Errorf("in another Account: %s", got)
		}
		if n := w.count("audit.export.requested"); n != 6 {
			t.Errorf("%d rows tell", n)
		}
		list, err := w.List(t.Context(), ofEnvironment(w.env))
		if err != nil || len(list) != 5 {
			t.Fatal(list, err)
		}
		if err := w.Delete(t.Context(), ofEnvironment(w.env), list[0].ID); err != nil {
			t.Fatal(err)
		}
		if got := ask(ofEnvironment(w.env)); got != "ok" {
			t.Errorf("in the place of a deleted one: %s", got)
		}
		w.run(w.worker())
		if got := ask(ofEnvironment(w.env)); got != "ok" {
			t.Errorf("once all are made: %s", got)
		}
	})
}

// A worker that hangs loses its job once its claim has run out: what it writes later is not
// written.
func TestHangingWorkerWritesNoMore(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		in := ofEnvironment(w.env)
		w.happenAtOnce(w.env, 40)
		j := w.ask(in, things, export.NDJSON)
		hangs, goOn := make(chan struct{}), make(chan struct{})
		var once sync.Once
		slow := w.workerOf(export.WorkerConfig{Page: 5, Piece: 500, Wrote: func(n int) {
			if n > 8 {
				once.Do(func() { close(hangs); <-goOn })
			}
		}})
		ended := make(chan error)
		go func() { // as in another process
			_, err := slow.RunDue(t.Context())
			ended <- err
		}()
		<-hangs
		if n := w.run(w.worker()); n != 0 {
			t.Error("a job was taken that somebody works on")
		}
		if got, _ := w.get(in, j.ID); got.Status != export.Processing {
			t.Errorf("it is %s", got.Status)
		}
		w.clock.Advance(31 * time.Second)
		if n := w.run(w.workerOf(export.WorkerConfig{Page: 5, Piece: 700})); n != 1 {
			t.Errorf("%d jobs", n)
		}
		pieces := w.pieces()
		close(goOn)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if w.pieces() != pieces || w.count("audit.export.executed") != 1 {
			t.Errorf("%d pieces more, made %d times", w.pieces()-pieces, w.count("audit.export.executed"))
		}
		if got := w.file(in, j.ID); got != w.queried(in, things) {
			t.Errorf("the file is %s", got)
		}
	})
}

// dies has a worker die in the middle of its job.
func (w *world) dies() {
	w.t.Helper()
	defer func() {
		if recover() == nil {
			w.t.Error("it lives")
		}
	}()
	_, _ = w.workerOf(export.WorkerConfig{Page: 5, Piece: 500, Wrote: func(int) { panic("dies") }}).RunDue(w.t.Context())
}

func TestJobOfADeadWorkerIsTriedThreeTimes(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		in := ofEnvironment(w.env)
		w.happenAtOnce(w.env, 40)
		lucky := w.ask(in, things, export.NDJSON)
		for range 2 {
			w.dies()
			w.clock.Advance(31 * time.Second)
		}
		w.run(w.worker())
		if got := w.file(in, lucky.ID); got != w.queried(in, things) {
			t.Errorf("the third makes %s", got)
		}
		before := w.pieces()
		j := w.ask(in, things, export.NDJSON)
		for range 3 {
			w.dies()
			w.clock.Advance(31 * time.Second)
		}
		w.run(w.worker())
		got, _ := w.get(in, j.ID)
		if got.Status != export.Failed || got.Error == nil || !strings.Contains(*got.Error, "interrupted") {
			t.Errorf("after three deaths: %+v", got)
		}
		if w.pieces() != before {
			t.Errorf("%d pieces are left", w.pieces()-before)
		}
	})
}

func TestWorkersShareJobs(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		in := ofEnvironment(w.env)
		w.happenAtOnce(w.env, 40)
		for range 5 {
			w.ask(in, things, export.NDJSON)
		}
		dbtest.AtOnce(4, func() string {
			_, err := w.workerOf(export.WorkerConfig{Page: 5, Piece: 500}).RunDue(t.Context())
			if err != nil {
				t.Error(err)
			}
			return ""
		})
		w.run(w.worker()) // whoever found one taken has left early
		list, err := w.List(t.Context(), in)
		if err != nil || len(list) != 5 {
			t.Fatal(list, err)
		}
		for _, j := range list {
			if got := w.file(in, j.ID); got != w.queried(in, things) {
				t.Errorf("the file is %s", got)
			}
		}
		if n := w.count("audit.export.executed"); n != 5 {
			t.Errorf("%d were made", n)
		}
	})
}

func TestDeleteStopsTheWork(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		in := ofEnvironment(w.env)
		w.happenAtOnce(w.env, 40)
		j := w.ask(in, things, export.NDJSON)
		written := 0
		w.run(w.workerOf(export.WorkerConfig{Page: 5, Piece: 500, Wrote: func(int) {
			if written++; written == 2 {
				if err := w.Delete(t.Context(), in, j.ID); err != nil {
					t.Error(err)
				}
			}
		}}))
		if written != 2 {
			t.Errorf("%d writes", written)
		}
		if _, _, err := w.Get(t.Context(), in, j.ID); !errors.Is(err, export.ErrNotFound) {
			t.Errorf("it is there: %v", err)
		}
		if err := w.Delete(t.Context(), in, j.ID); !errors.Is(err, export.ErrNotFound) {
			t.Errorf("it is deleted twice: %v", err)
		}
		if err := w.Sweep(t.Context()); err != nil || w.pieces() != 0 ||
			dbtest.Number(t, w.db, `SELECT count(*) FROM audit_export`) != 0 {
			t.Errorf("something is left: %d, %v", w.pieces(), err)
		}
		if n := w.count("audit.export.deleted") + w.count("audit.export.executed"); n != 1 {
			t.Errorf("%d rows tell", n)
		}
	})
}

// A worker that is stopped gives its job back, and it counts for nothing.
func TestStoppedWorkerGivesItsJobBack(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		in := ofEnvironment(w.env)
		w.happenAtOnce(w.env, 40)
		j := w.ask(in, things, export.NDJSON)
		for range 5 {
			ctx, stop := context.WithCancel(t.Context())
			w.workerOf(export.WorkerConfig{Page: 5, Piece: 500, Wrote: func(int) { stop() }}).Run(ctx)
			if got, _ := w.get(in, j.ID); got.Status != export.Pending {
				t.Fatalf("it is %s", got.Status)
			}
		}
		w.run(w.worker())
		if got := w.file(in, j.ID); got != w.queried(in, things) {
			t.Errorf("the file is %s", got)
		}
	})
}

func TestFilesGoAfterSevenDays(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		in := ofEnvironment(w.env)
		w.happenAtOnce(w.env, 40)
		j := w.ask(in, things, export.NDJSON)
		w.run(w.workerOf(export.WorkerConfig{Piece: 100}))
		failed := w.ask(in, things, export.NDJSON)
		w.run(w.workerOf(export.WorkerConfig{Most: 1}))
		unfinished := w.ask(in, things, export.NDJSON)
		w.clock.Advance(7*24*time.Hour - time.Minute)
		if err := w.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, link := w.get(in, j.ID)
		w.clock.Advance(time.Minute)
		if _, err := w.Open(t.Context(), linkOf(t, link)); !errors.Is(err, export.ErrNotFound) {
			t.Errorf("its link is good: %v", err)
		}
		for _, of := range []export.ID{j.ID, failed.ID} {
			if _, _, err := w.Get(t.Context(), in, of); !errors.Is(err, export.ErrNotFound) {
				t.Errorf("it is there: %v", err)
			}
		}
		if err := w.Sweep(t.Context()); err != nil || w.pieces() != 0 ||
			dbtest.Number(t, w.db, `SELECT count(*) FROM audit_export`) != 1 {
			t.Errorf("%d pieces are left: %v", w.pieces(), err)
		}
		if got, _ := w.get(in, unfinished.ID); got.Status != export.Pending {
			t.Errorf("what nobody has made yet is %s", got.Status)
		}
	})
}

func TestJobsEndWithTheirEnvironment(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		w.happenAtOnce(w.env, 40)
		of := things
		of.Environment = w.env.ID
		w.ask(ofAccount(w.env, event.Admin), of, export.NDJSON)
		kept := w.ask(ofEnvironment(w.other), things, export.NDJSON)
		w.run(w.workerOf(export.WorkerConfig{Piece: 100}))
		w.ask(ofEnvironment(w.env), things, export.NDJSON)
		dbtest.Do(t, w.db, func(tx *database.Tx) error { return export.Cut(t.Context(), tx, w.env.ID) })
		if n := w.run(w.worker()); n != 0 {
			t.Errorf("%d jobs go on", n)
		}
		for done := false; !done; {
			done = dbtest.Write(t, w.db, func(tx *database.Tx) (bool, error) {
				return export.SweepEnvironment(t.Context(), tx, w.env.ID)
			})
		}
		if n := dbtest.Number(t, w.db, `SELECT count(*) FROM audit_export`); n != 1 || w.pieces() != 0 {
			t.Errorf("%d jobs and %d pieces are left", n, w.pieces())
		}
		if got, _ := w.get(ofEnvironment(w.other), kept.ID); got.Status != export.Completed {
			t.Errorf("that of another is %s", got.Status)
		}
	})
}

func TestListIsNewestFirst(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		in := ofEnvironment(w.env)
		var want []export.ID
		for range 52 {
			w.clock.Advance(time.Millisecond)
			want = append([]export.ID{w.ask(in, things, export.CSV).ID}, want...)
			w.run(w.worker())
		}
		list, err := w.List(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		var got []export.ID
		for _, j := range list {
			got = append(got, j.ID)
		}
		if diff := cmp.Diff(want[:50], got); diff != "" {
			t.Error(diff)
		}
	})
}
