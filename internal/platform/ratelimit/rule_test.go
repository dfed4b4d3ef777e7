package ratelimit_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/platform/ratelimit"
)

func TestParseChangesWhatItNames(t *testing.T) {
	t.Parallel()
	want := ratelimit.Defaults()
	want[ratelimit.SignUp] = ratelimit.Rule{Count: 20, Period: time.Hour}
	want[ratelimit.Evaluate] = ratelimit.Rule{Count: 1000, Period: time.Minute}
	want[ratelimit.InviteMail] = ratelimit.Rule{}
	got, err := ratelimit.Parse(" sign_up=20/1h, evaluate=1000/1m,invite_mail=off")
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	if got, err := ratelimit.Parse(""); err != nil || !cmp.Equal(got, ratelimit.Defaults()) {
		t.Errorf("no setting gives %v, %v", got, err)
	}
}

func TestOffAloneSwitchesAllOff(t *testing.T) {
	t.Parallel()
	rules, err := ratelimit.Parse("off")
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range rules {
		if !r.Off() {
			t.Errorf("%s is %s", name, r)
		}
	}
}

func TestParseNamesTheBadPart(t *testing.T) {
	t.Parallel()
	for setting, says := range map[string][]string{
		"sign_up":                     {`"sign_up"`, "name=count/period"},
		"sign_up=20/1h,off":           {`"off"`, "stands alone"},
		"signup=20/1h":                {`"signup=20/1h"`, "sign_up, "},
		"link=5/1m,":                  {`""`},
		"link=5/1m,link=6/1m":         {`"link=6/1m"`, "twice"},
		"link=5":                      {`"link=5"`, "20/1h"},
		"link=0/1m":                   {`"0"`, "from 1"},
		"link=-1/1m":                  {`"-1"`},
		"link=1.5/1m":                 {`"1.5"`},
		"link=99999999999999999/1m":   {"1000000000"},
		"link=5/1x":                   {`"1x"`, "from 1s to 8760h"},
		"link=5/1ms":                  {`"1ms"`},
		"link=5/9000h":                {`"9000h"`},
		"link=5/0s, sign_in_ip=50/1m": {`"link=5/0s"`},
	} {
		_, err := ratelimit.Parse(setting)
		if err == nil {
			t.Errorf("%q accepted", setting)
			continue
		}
		for _, s := range says {
			if !strings.Contains(err.Error(), s) {
				t.Errorf("%q: %q does not say %q", setting, err, s)
			}
		}
	}
}

// TestGuideListsEveryLimit with its default, so that operators need not guess a name.
func TestGuideListsEveryLimit(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../../docs/guide/production.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, rule := range ratelimit.Defaults() {
		shown := "off"
		if !rule.Off() {
			shown = fmt.Sprintf("%d/%s", rule.Count, short(rule.Period))
		}
		if row := fmt.Sprintf("| `%s` | `%s` |", name, shown); !strings.Contains(string(raw), row) {
			t.Errorf("the guide has no row that begins %s", row)
		}
	}
}

// short is a period without its zeros: 24h and not 24h0m0s.
func short(d time.Duration) string {
	return strings.TrimSuffix(strings.TrimSuffix(d.String(), "0s"), "0m")
}
