package text_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/text"
)

// form is a value with a field of every sort.
type form struct {
	Name, Email string
	Nick        *string
	Count       int
}

func (f *form) Rules(r *text.Fields) {
	r.Field("name", &f.Name, text.NameRule)
	r.Field("email", &f.Email, text.EmailRule)
	r.Optional("nick", f.Nick, text.FirstNameRule)
	r.Check("count", f.Count > 0, "must be positive")
}

func TestNormalizeKeepsTheOneForm(t *testing.T) {
	t.Parallel()
	nick := " Zoe\u0308 "
	f := form{Name: "  Acme ", Email: " Dana@ACME.com ", Nick: &nick, Count: 1}
	if problems := text.Normalize(&f); len(problems) != 0 || problems.Err() != nil {
		t.Error(problems)
	}
	if f.Name != "Acme" || f.Email != "dana@acme.com" || nick != "Zoë" {
		t.Errorf("%+v, %q", f, nick)
	}
}

// Every problem is told at once, in the order of the rules, and a broken value
// stays as it came.
func TestNormalizeTellsEveryProblem(t *testing.T) {
	t.Parallel()
	nick := "\u202e"
	f := form{Name: " ", Email: "x", Nick: &nick}
	problems := text.Normalize(&f)
	if diff := cmp.Diff(fault.Problems{
		"name must be 1 to 100 characters", "email must be an e-mail address",
		"nick must not hold control characters, line breaks or direction marks", "count must be positive",
	}, problems); diff != "" {
		t.Error(diff)
	}
	if f.Name != " " || f.Email != "x" || nick != "\u202e" {
		t.Errorf("%+v, %q", f, nick)
	}
	if err := problems.Err(); !errors.Is(err, fault.Validation) || !slices.Equal(fault.As(err).Details, problems) {
		t.Error(err)
	}
}

func TestAbsentOptionalFieldBreaksNoRule(t *testing.T) {
	t.Parallel()
	empty := ""
	f := form{Name: "Acme", Email: "dana@acme.com", Count: 1}
	if problems := text.Normalize(&f); len(problems) != 0 || f.Nick != nil {
		t.Error(problems)
	}
	f.Nick = &empty
	if problems := text.Normalize(&f); len(problems) != 1 {
		t.Errorf("an empty one is not absent: %v", problems)
	}
}

// Describe knows the fields without a value, and touches none.
func TestDescribe(t *testing.T) {
	t.Parallel()
	f := form{Name: " x ", Email: "broken"}
	got := map[string][2]int{}
	for name, r := range text.Describe(&f) {
		got[name] = [2]int{r.MinLength, r.MaxLength}
	}
	want := map[string][2]int{"name": {1, 100}, "email": {3, 254}, "nick": {1, 100}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if f.Name != " x " || f.Email != "broken" || f.Nick != nil {
		t.Errorf("%+v", f)
	}
	if r := text.Describe(&f)["email"]; r.Format != "email" {
		t.Errorf("%+v", r)
	}
}

// What the document says of a rule holds: its example passes as it stands, and
// what is longer than its greatest length does not.
func TestRulesKeepTheirWord(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]text.Rule{
		"email": text.EmailRule, "name": text.NameRule, "first name": text.FirstNameRule, "last name": text.LastNameRule,
		"new password": text.PortalPasswordRule, "password": text.CurrentPasswordRule, "token": text.TokenRule,
	} {
		if kept, broken := r.Normalize(r.Example); kept != r.Example || broken != "" {
			t.Errorf("%s: the example %q gives %q, %s", name, r.Example, kept, broken)
		}
		if n := len(r.Example); n < r.MinLength || n > r.MaxLength {
			t.Errorf("%s: the example has %d characters", name, n)
		}
		if name == "token" {
			continue // another spelling is unknown, not refused
		}
		long := r.Example
		for len(long) <= r.MaxLength {
			long = "Aa1-" + long
		}
		if _, broken := r.Normalize(long); broken == "" {
			t.Errorf("%s: %d characters pass", name, len(long))
		}
		if _, broken := r.Normalize(r.Example[:max(0, r.MinLength-1)]); broken == "" {
			t.Errorf("%s: %d characters pass", name, r.MinLength-1)
		}
	}
}
