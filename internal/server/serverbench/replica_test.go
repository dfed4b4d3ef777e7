package serverbench

import (
	"errors"
	"testing"
)

// TestWitnessRefusesWrongAnswers: a role that was not given yet, and one that was taken.
func TestWitnessRefusesWrongAnswers(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	s, err := open(ctx, Options{Nodes: 20, Identities: 3, Roles: 2, Assignments: 4, Many: 1}, "")
	defer s.close()
	must(err)
	must(s.fill(ctx))
	c, err := dial(ctx, s.addr)
	must(err)
	defer c.Close()
	w := &witness{s: s, c: c}
	must(w.begin(ctx))
	if _, err := w.ask(0, true); !errors.Is(err, errStale) {
		t.Errorf("before it is given: %v", err)
	}
	_, err = w.write(ctx, 0)
	must(err)
	if _, err := w.ask(0, false); !errors.Is(err, errStale) {
		t.Errorf("when it is given: %v", err)
	}
	_, err = w.write(ctx, 1)
	must(err)
	if _, err := w.ask(0, true); !errors.Is(err, errStale) {
		t.Errorf("when it is taken: %v", err)
	}
}
