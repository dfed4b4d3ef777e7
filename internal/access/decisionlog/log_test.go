package decisionlog_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/decisionlog"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 345e6, time.UTC)

func mode(t *testing.T, s string) decisionlog.Mode {
	t.Helper()
	m, ok := decisionlog.ParseMode(s)
	if !ok {
		t.Fatalf("%q is no mode", s)
	}
	return m
}

func open(t *testing.T, setting, to string, out *bytes.Buffer, errs *bytes.Buffer) *decisionlog.Log {
	t.Helper()
	l, err := decisionlog.Open(decisionlog.Config{
		Mode: mode(t, setting), To: to, Stdout: out, Now: func() time.Time { return noon },
		Errors: slog.New(slog.NewTextHandler(errs, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func entry(allowed bool) decisionlog.Entry {
	e := decisionlog.Entry{
		By: principal.Actor{Kind: principal.KindAPIKey, ID: id.ID{1}, Request: principal.Request{ID: "r-1"}},
		In: scope.EnvironmentID{2}, Revision: 41, At: noon,
		Question: decide.Question{Identity: id.ID{3}, Permission: "lease.read", Scope: decide.AtNode, Node: id.ID{4}},
	}
	if e.Decision = (decide.Decision{Reason: decide.NoAssignment}); allowed {
		e.Decision = decide.Decision{Allowed: true, GrantingRoles: []string{`A "B"`, "Ü"}}
	}
	return e
}

// run notes entries and lets the log write them.
func run(l *decisionlog.Log, entries ...decisionlog.Entry) {
	ctx, stop := context.WithCancel(context.Background())
	var writer sync.WaitGroup
	writer.Go(func() { l.Run(ctx) })
	for _, e := range entries {
		if l.Wants(e.Decision.Allowed) {
			l.Note(e)
		}
	}
	stop()
	writer.Wait()
}

// TestModes: what the setting may say.
func TestModes(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"", "off", "all", "denied", "0.001", "0.5", "1"} {
		if m := mode(t, good); m.Off() != (good == "" || good == "off") {
			t.Errorf("%q is off: %v", good, m.Off())
		}
	}
	for _, bad := range []string{"0", "1.1", "-1", "0.0001", "some", "ALL", "NaN", "inf", "10%"} {
		if _, ok := decisionlog.ParseMode(bad); ok {
			t.Errorf("%q is taken", bad)
		}
	}
	if l := open(t, "off", "stdout", nil, nil); l.Wants(false) || l.Written()+l.Dropped() > 0 {
		t.Error("a log that is off wants something")
	}
}

// TestLines: one line of JSON a decision, in their order.
func TestLines(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	anywhere := entry(false)
	anywhere.Question = decide.Question{Permission: "a\nb", Scope: decide.AppWide}
	why, list := entry(false), entry(true)
	why.Kind, why.AsOf = decisionlog.Explanation, new(noon.Add(time.Hour))
	list.Kind, list.Found, list.Decision = decisionlog.Grants, 3, decide.Decision{}
	list.Question = decide.Question{Identity: id.ID{3}, Scope: decide.AppWide}
	l := open(t, "all", "stdout", &out, nil)
	run(l, entry(true), anywhere)
	l.Note(why)
	l.Note(list)
	run(l)
	want := `{"time":"2026-11-27T12:00:00.345Z","environment_id":"02000000-0000-0000-0000-000000000000",` +
		`"revision":"41","kind":"decision","identity_id":"03000000-0000-0000-0000-000000000000",` +
		`"permission":"lease.read","scope":"node","node_id":"04000000-0000-0000-0000-000000000000",` +
		`"allowed":true,"denial_reason":null,` +
		`"granting_roles":["A \"B\"","Ü"],"caller":"api_key","caller_id":"01000000-0000-0000-0000-000000000000",` +
		`"request_id":"r-1"}
{"time":"2026-11-27T12:00:00.345Z","environment_id":"02000000-0000-0000-0000-000000000000","revision":"41",` +
		`"kind":"decision","identity_id":null,"permission":"a\nb","scope":"app_wide","node_id":null,"allowed":false,` +
		`"denial_reason":"no_assignment","granting_roles":[],"caller":"api_key",` +
		`"caller_id":"01000000-0000-0000-0000-000000000000","request_id":"r-1"}
{"time":"2026-11-27T12:00:00.345Z","environment_id":"02000000-0000-0000-0000-000000000000","revision":"41",` +
		`"kind":"explanation","as_of":"2026-11-27T13:00:00.345Z","identity_id":"03000000-0000-0000-0000-000000000000",` +
		`"permission":"lease.read","scope":"node","node_id":"04000000-0000-0000-0000-000000000000","allowed":false,` +
		`"denial_reason":"no_assignment","granting_roles":[],"caller":"api_key",` +
		`"caller_id":"01000000-0000-0000-0000-000000000000","request_id":"r-1"}
{"time":"2026-11-27T12:00:00.345Z","environment_id":"02000000-0000-0000-0000-000000000000","revision":"41",` +
		`"kind":"grants","identity_id":"03000000-0000-0000-0000-000000000000","permission":null,"scope":"app_wide",` +
		`"node_id":null,"found":3,"denial_reason":null,"caller":"api_key",` +
		`"caller_id":"01000000-0000-0000-0000-000000000000","request_id":"r-1"}
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
	if l.Written() != 4 || l.Dropped() != 0 {
		t.Errorf("%d written, %d dropped", l.Written(), l.Dropped())
	}
}

// TestDenialsAlone: those who are allowed leave no line.
func TestDenialsAlone(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	run(open(t, "denied", "stdout", &out, nil), entry(true), entry(false), entry(true))
	if n := strings.Count(out.String(), "\n"); n != 1 || !strings.Contains(out.String(), "no_assignment") {
		t.Errorf("%d lines: %s", n, &out)
	}
}

// TestShare: about that share of all.
func TestShare(t *testing.T) {
	t.Parallel()
	l := open(t, "0.1", "stdout", &bytes.Buffer{}, nil)
	wanted := 0
	for range 100_000 {
		if l.Wants(true) {
			wanted++
		}
	}
	if wanted < 9_000 || wanted > 11_000 {
		t.Errorf("%d of 100000", wanted)
	}
}

// TestFull: what finds no room is dropped and counted, and nobody waits.
func TestFull(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	l := open(t, "all", "stdout", &out, nil)
	const more = 100
	for l.Dropped() < more {
		l.Note(entry(false))
	}
	run(l)
	if n := uint64(strings.Count(out.String(), "\n")); n == 0 || n != l.Written() || l.Dropped() != more {
		t.Errorf("%d lines, %d written, %d dropped", n, l.Written(), l.Dropped())
	}
}

// TestFile: is appended to, and its owner's alone.
func TestFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "decisions.log")
	for range 2 {
		run(open(t, "all", path, nil, nil), entry(true))
	}
	raw, err := os.ReadFile(path)
	info, none := os.Stat(path)
	if errors.Join(err, none) != nil || strings.Count(string(raw), "\n") != 2 || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v: %s", err, info, raw)
	}
	_, err = decisionlog.Open(decisionlog.Config{Mode: mode(t, "all"), To: filepath.Join(path, "below")})
	if err == nil || !strings.HasPrefix(err.Error(), "CANOPY_DECISION_LOG_TO: ") {
		t.Errorf("a path that can't be: %v", err)
	}
}

// TestFullDisk: lines that can't be written are counted as dropped, and told once.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	var errs bytes.Buffer
	l := open(t, "all", "/dev/full", nil, &errs)
	run(l, entry(true))
	run(l, entry(true), entry(false))
	if l.Written() != 0 || l.Dropped() != 3 || strings.Count(errs.String(), "can't be written") != 1 {
		t.Errorf("%d written, %d dropped: %s", l.Written(), l.Dropped(), &errs)
	}
}
