package scenario_test

import (
	"bytes"
	"strings"
	"testing"

	"canopy.dev/canopy/internal/access/scenario"
)

const sample = `A world for the runner.
-- world --
permission a.read
role Reader: a.read
tree
  Root
    Unit
member ann
assign Reader to ann at Root
-- ask --
now 2026-01-01T00:00:00Z
ann a.read at Unit => allowed by Reader   # a note
permissions of ann => a.read
grants of ann =>
  a.read at Root
explain ann a.read at Unit =>
  allowed by Reader
  Root
  - Reader grants
  Unit
  Reader at Root
nodes of ann with a.read =>
  below Root
  Root, Unit
who has a.read at Unit =>
  ann: Reader at Root
impact of delete Unit =>
  ann loses a.read at Unit
ann a.read at nothing => 400 validation
`

func run(t *testing.T, file string, e scenario.Engine) *scenario.Result {
	t.Helper()
	r, err := scenario.Run([]byte(file), e)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRightExpectationsPass(t *testing.T) {
	t.Parallel()
	r := run(t, sample, scenario.Named(scenario.Offline))
	if len(r.Wrong) > 0 || string(r.Text) != sample || r.Asked != 7 || r.DoorOnly != 1 {
		t.Errorf("%d asked, %d for doors, wrong: %v, text:\n%s", r.Asked, r.DoorOnly, r.Wrong, r.Text)
	}
}

func TestWrongExpectationsFailAndAreCorrected(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ right, wrong string }{
		{"=> allowed by Reader   # a note", "=> denied: no_assignment   # a note"},
		{"=> allowed by Reader   # a note", "=>   # a note"},
		{"=> allowed by Reader   # a note", "=> allowed by Reader, Writer   # a note"},
		{"=> a.read\n", "=> none\n"},
		{"  a.read at Root\n", "  a.read at Unit\n"},
		{"  a.read at Root\n", "  a.read at Root\n  until 2027-01-01T00:00:00Z\n"},
		{"  - Reader grants\n", ""},
		{"  Root, Unit\n", "  Root\n"},
		{"  ann: Reader at Root\n", "  ann: Reader at Unit\n"},
		{"  ann loses a.read at Unit\n", "  ann gains a.read at Unit\n"},
	} {
		wrong := strings.Replace(sample, x.right, x.wrong, 1)
		if wrong == sample {
			t.Fatalf("%q is not in the sample", x.right)
		}
		r := run(t, wrong, scenario.Named(scenario.Offline))
		if len(r.Wrong) != 1 {
			t.Errorf("%q instead of %q: %d are wrong", x.wrong, x.right, len(r.Wrong))
		}
		if string(r.Text) != sample {
			t.Errorf("%q was corrected to:\n%s", x.wrong, r.Text)
		}
	}
}

func TestMistakesInFilesAreErrors(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ right, wrong string }{
		{"A world for the runner.\n", ""},
		{"-- world --", "-- ask --"},
		{"-- ask --", "-- sak --"},
		{"role Reader: a.read", "role Reader: a.raed"},
		{"role Reader: a.read", "rule Reader: a.read"},
		{"assign Reader", "assign Raeder"},
		{"to ann", "to anna"},
		{"member ann", "member ann\nmember Root"},
		{"ann at Root", "ann at Root from yesterday"},
		{"ann at Root", "ann at Root from 2026-01-02T00:00:00Z until 2026-01-02T00:00:00Z"},
		{"now 2026-01-01T00:00:00Z\n", ""},
		{"now 2026-01-01", "now 2026-13-01"},
		{"ann a.read at Unit =>", "anna a.read at Unit =>"},
		{"ann a.read at Unit =>", "ann a.read at Team =>"},
		{"ann a.read at Unit =>", "ann a.read Unit =>"},
		{"ann a.read at Unit =>", "ann a.read at Unit ="},
		{"permissions of ann", "permissions of Root"},
		{"impact of delete Unit", "impact of delete Team"},
		{"who has a.read at Unit", "who has a.read at ann"},
	} {
		wrong := strings.Replace(sample, x.right, x.wrong, 1)
		if wrong == sample {
			t.Fatalf("%q is not in the sample", x.right)
		}
		if _, err := scenario.Run([]byte(wrong), scenario.Named(scenario.Offline)); err == nil {
			t.Errorf("%q instead of %q is accepted", x.wrong, x.right)
		}
	}
}

// door is the engine behind a door that refuses as the specification says.
type door struct{ scenario.Environment }

func (door) Malformed(scenario.Question) string { return "400 validation" }

type doors struct{ pure scenario.Named }

func (d doors) New() scenario.Environment { return door{d.pure.New()} }

func TestDoorsAreAskedWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	r := run(t, sample, doors{scenario.Offline})
	if len(r.Wrong) > 0 || r.DoorOnly != 0 || r.Asked != 8 {
		t.Errorf("%d asked, %d left, wrong: %v", r.Asked, r.DoorOnly, r.Wrong)
	}
	r = run(t, strings.Replace(sample, "400 validation", "400 other", 1), doors{scenario.Offline})
	if len(r.Wrong) != 1 {
		t.Errorf("a wrong expectation of a door passes")
	}
}

// liar allows everything.
type liar struct{ scenario.Environment }

func (liar) Evaluate(scenario.Question) scenario.Verdict {
	return scenario.Verdict{Allowed: true, Roles: []string{"Everybody"}}
}

type liars struct{ pure scenario.Named }

func (l liars) New() scenario.Environment { return liar{l.pure.New()} }

func TestAnEngineThatAllowsEverythingFails(t *testing.T) {
	t.Parallel()
	if r := run(t, sample, liars{scenario.Offline}); len(r.Wrong) != 1 || !bytes.Contains(r.Text, []byte("Everybody")) {
		t.Errorf("wrong: %v", r.Wrong)
	}
}
