package id_test

import (
	"strings"
	"testing"
	"time"

	"canopy.dev/canopy/internal/foundation/id"
)

func TestNewIsVersion7OfItsInstant(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 4, 20, 12, 0, 0, 123e6, time.UTC)
	u := id.New[id.ID](at)
	if got := u.Time(); !got.Equal(at) {
		t.Errorf("Time() = %v, want %v", got, at)
	}
	s := u.String()
	if len(s) != 36 || s[14] != '7' || !strings.ContainsRune("89ab", rune(s[19])) {
		t.Errorf("%s is not a version 7 UUID of the RFC's variant", s)
	}
}

func TestIDsSortByAge(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_776_000_000, 0)
	older, newer := id.New[id.ID](at), id.New[id.ID](at.Add(time.Millisecond))
	if older.String() >= newer.String() {
		t.Errorf("%s does not sort before %s", older, newer)
	}
}

func TestParseTakesOneSpelling(t *testing.T) {
	t.Parallel()
	const good = "019daac3-0200-7a4c-823b-1612dd272d13"
	u, err := id.Parse[id.ID](good)
	if err != nil || u.String() != good {
		t.Fatalf("Parse(%q) = %v, %v", good, u, err)
	}
	for _, bad := range []string{
		"", "x", strings.ToUpper(good), "{" + good + "}", good + " ", good[:35], "urn:uuid:" + good,
		strings.ReplaceAll(good, "-", ""), strings.Replace(good, "-", "_", 1), strings.Replace(good, "0", "g", 1),
	} {
		if _, err := id.Parse[id.ID](bad); err == nil {
			t.Errorf("Parse(%q) accepted", bad)
		}
	}
}

func TestScanReadsWhatValueWrote(t *testing.T) {
	t.Parallel()
	u := id.New[id.ID](time.Now())
	v, err := u.Value()
	if err != nil {
		t.Fatal(err)
	}
	var back id.ID
	if err := back.Scan(v); err != nil || back != u {
		t.Errorf("Scan(Value(%s)) = %s, %v", u, back, err)
	}
	if v, _ := (id.ID{}).Value(); v != nil {
		t.Errorf("the zero id is stored as %v, want NULL", v)
	}
	if err := back.Scan(nil); err != nil || !back.IsZero() {
		t.Errorf("NULL read as %s, %v", back, err)
	}
	if err := back.Scan(7); err == nil {
		t.Error("a number was read as an id")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("019daac3-0200-7a4c-823b-1612dd272d13")
	f.Add("019DAAC3-0200-7A4C-823B-1612DD272D13")
	f.Fuzz(func(t *testing.T, s string) {
		if u, err := id.Parse[id.ID](s); err == nil && u.String() != s {
			t.Errorf("Parse(%q).String() = %q", s, u)
		}
	})
}

func TestRunIsInOrder(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 4, 20, 12, 0, 0, 123e6, time.UTC)
	next := id.Run[id.ID](at)
	last := ""
	for range 10_000 {
		u := next()
		s := u.String()
		if s <= last || !u.Time().Equal(at) || s[14] != '7' || !strings.ContainsRune("89ab", rune(s[19])) {
			t.Fatalf("%s after %s", s, last)
		}
		last = s
	}
	if other := id.Run[id.ID](at)(); other.String() == last {
		t.Error("two runs make one id")
	}
}
