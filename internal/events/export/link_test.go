package export_test

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"canopy.dev/canopy/internal/events/audit"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/events/export"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/secret"
)

// A link is good as it was made, and for a quarter of an hour.
func TestLinkIsGoodAsItIs(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		w.happen(w.env, happened, counted(3)...)
		w.happen(w.stranger, happened, counted(3)...)
		in := ofEnvironment(w.env)
		j, another, strange := w.ask(in, things, export.CSV), w.ask(in, things, export.CSV), w.ask(ofEnvironment(w.stranger),
			things, export.CSV)
		w.run(w.worker())
		_, link := w.get(in, j.ID)
		if !strings.HasPrefix(link, "https://canopy.test/v1/downloads/audit-exports/"+j.ID.String()+"?") {
			t.Errorf("the link is %s", link)
		}
		good := linkOf(t, link)
		open := func(change func(*export.Link)) bool {
			l := good
			change(&l)
			_, err := w.Open(t.Context(), l)
			if err != nil && !errors.Is(err, export.ErrNotFound) {
				t.Error(err)
			}
			return err == nil
		}
		if !open(func(*export.Link) {}) {
			t.Error("it is not good as it is")
		}
		later, _ := strconv.ParseInt(good.Expires, 10, 64)
		for what, change := range map[string]func(*export.Link){
			"another job":                 func(l *export.Link) { l.Job = another.ID },
			"a job of somebody else":      func(l *export.Link) { l.Job = strange.ID },
			"no job":                      func(l *export.Link) { l.Job = export.ID(id.ID{1}) },
			"another Account":             func(l *export.Link) { l.Account = w.stranger.Application.Account.ID.String() },
			"somebody else's":             func(l *export.Link) { l.Job, l.Account = strange.ID, id.ID{2}.String() },
			"no Account":                  func(l *export.Link) { l.Account = "" },
			"a later end":                 func(l *export.Link) { l.Expires = strconv.FormatInt(later+1, 10) },
			"the same end otherwise":      func(l *export.Link) { l.Expires = "0" + l.Expires },
			"no end":                      func(l *export.Link) { l.Expires = "" },
			"no signature":                func(l *export.Link) { l.Signature = "" },
			"a signature cut":             func(l *export.Link) { l.Signature = l.Signature[:20] },
			"a signature changed":         func(l *export.Link) { l.Signature = "A" + l.Signature[1:] + "B" },
			"a signature that is no text": func(l *export.Link) { l.Signature = "***" },
		} {
			if open(change) {
				t.Errorf("with %s it is good", what)
			}
		}
		w.clock.Advance(14 * time.Minute)
		if !open(func(*export.Link) {}) {
			t.Error("it is not good after 14 minutes")
		}
		w.clock.Advance(time.Minute)
		if open(func(*export.Link) {}) {
			t.Error("it is good after 15 minutes")
		}
		_, link = w.get(in, j.ID)
		if good = linkOf(t, link); !open(func(*export.Link) {}) {
			t.Error("the next one is not good")
		}
		if err := w.Delete(t.Context(), in, j.ID); err != nil {
			t.Fatal(err)
		}
		if open(func(*export.Link) {}) {
			t.Error("that of a deleted one is good")
		}
	})
}

// A link of another install, or of a key that is no more, is good nowhere.
func TestLinkIsOfItsInstall(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		in := ofEnvironment(w.env)
		j := w.ask(in, things, export.CSV)
		w.run(w.worker())
		_, link := w.get(in, j.ID)
		old, fresh := make([]byte, secret.KeySize), bytes.Repeat([]byte{1}, secret.KeySize)
		for _, c := range []struct {
			keys [][]byte
			good bool
		}{{[][]byte{fresh, old}, true}, {[][]byte{fresh}, false}} {
			box, err := secret.NewBox(c.keys...)
			if err != nil {
				t.Fatal(err)
			}
			other := export.Service{DB: w.db, Box: box}
			if _, err := other.Open(t.Context(), linkOf(t, link)); (err == nil) != c.good {
				t.Errorf("with %d keys: %v", len(c.keys), err)
			}
		}
	})
}

// A file that is deleted while it is read breaks off.
func TestDeletedFileBreaksOff(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		w.happenAtOnce(w.env, 40)
		in := ofEnvironment(w.env)
		j := w.ask(in, things, export.CSV)
		w.run(w.workerOf(export.WorkerConfig{Piece: 100}))
		_, link := w.get(in, j.ID)
		f, err := w.Open(t.Context(), linkOf(t, link))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Delete(t.Context(), in, j.ID); err != nil {
			t.Fatal(err)
		}
		if err := w.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := f.WriteTo(t.Context(), &bytes.Buffer{}); err == nil {
			t.Error("it comes to its end")
		}
	})
}

// A job does not exist for another surface, Environment or Account.
func TestJobsOfOthersDoNotExist(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		readers := []audit.Reader{
			ofEnvironment(w.env), ofEnvironment(w.other), ofEnvironment(w.stranger), ofAccount(w.env, event.Identities),
			ofAccount(w.env, event.Admin), ofAccount(w.stranger, event.Identities), ofAccount(w.stranger, event.Admin),
		}
		var jobs []export.ID
		for _, in := range readers {
			jobs = append(jobs, w.ask(in, things, export.CSV).ID)
			w.run(w.worker())
		}
		for i, in := range readers {
			list, err := w.List(t.Context(), in)
			if err != nil || len(list) != 1 || list[0].ID != jobs[i] {
				t.Errorf("reader %d lists %v, %v", i, list, err)
			}
			for k, of := range jobs {
				if i == k {
					continue
				}
				if _, _, err := w.Get(t.Context(), in, of); !errors.Is(err, export.ErrNotFound) {
					t.Errorf("reader %d gets job %d: %v", i, k, err)
				}
				if err := w.Delete(t.Context(), in, of); !errors.Is(err, export.ErrNotFound) {
					t.Errorf("reader %d deletes job %d: %v", i, k, err)
				}
			}
		}
	})
}
