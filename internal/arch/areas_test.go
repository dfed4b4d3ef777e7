package arch_test

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// areas, from top to bottom. A package imports areas below its own, and inside
// its area only what sideways lists.
var areas = []struct {
	name  string
	rooms []string
}{
	{"top", []string{"command", "server", "server/serverbench", "config"}},
	{"api", []string{
		"portalapi", "tenantapi", "accessapi", "peopleapi", "eventsapi", "identityapi", "authzenapi", "hosted",
	}},
	{"portal", []string{"attention", "member", "invite", "recovery", "session", "signup", "portaluser"}},
	{
		"identity",
		[]string{"identityinvite", "enrolment", "profile", "roster", "credential", "mfa", "identitysession"},
	},
	{"access", []string{
		"scenario", "preview", "decision", "decisionlog", "dump", "assignment", "assignment/ledger", "membership",
		"enduser",
		"hierarchy", "hierarchy/names",
		"rbac", "apikey", "edits", "decide",
		"decide/persist", "decide/decidebench", "decide/oracle",
	}},
	{"tenant", []string{"application", "environment", "account"}},
	{"events", []string{"export", "audit", "feed", "retention", "webhook", "seal", "event", "delivery", "revision"}},
	{
		"platform",
		[]string{
			"database", "wire", "mail", "mailqueue", "outbox", "ratelimit", "idempotency", "signingkey", "telemetry",
			"reference", "reseal", "outbound", "certificate", "backup",
		},
	},
	{
		"foundation",
		[]string{"text", "secret", "principal", "permission", "scope", "page", "fault", "id", "private", "shelf", "task"},
	},
}

// helpers serve tests and are imported by nothing else.
var helpers = []string{
	"arch", "server/servertest", "portaltest", "eventtest", "database/dbtest", "mail/mailtest",
}

// sideways are the imports within one area, by what is imported.
var sideways = []struct {
	to   string
	from []string
	why  string
}{
	{"server", []string{"command", "server/serverbench"}, "serve runs one, and one is measured"},
	{"server/serverbench", []string{"command"}, "is a verb"},
	{
		"config",
		[]string{"command", "server", "server/serverbench"},
		"settings come in here and go down as values: no room below knows them",
	},
	{"portaluser", []string{"signup", "session", "recovery", "invite", "member"}, "the person behind all five"},
	{
		"signup",
		[]string{"session", "invite"},
		"signing in tells who has not confirmed the address yet; whoever is invited in needs no sign-up",
	},
	{"session", []string{"recovery", "member"}, "a new password, a removal or a deactivation ends sessions"},
	{"account", []string{"application"}, "its lock orders what is done to the last Application"},
	{"environment", []string{"application"}, "an Application always has one"},
	{"audit", []string{"export"}, "a file holds what a query would answer"},
	{"revision", []string{"event", "feed", "audit", "webhook"}, "rows of the feed bear what their write has raised"},
	{
		"event",
		[]string{"seal", "feed", "audit", "export", "retention", "webhook"},
		"its rows are sealed, read, swept, sent",
	},
	{"delivery", []string{"event", "webhook"}, "who subscribes gets what happens, queued with it; it is sent"},
	{"seal", []string{"feed", "audit", "retention"}, "its numbers are the order of who follows an Account"},
	{
		"identitysession",
		[]string{"enrolment", "profile", "credential"},
		"who is switched off or removed, or has another password, is signed out",
	},
	{"mfa", []string{"credential", "enrolment"}, "another password forgets trusted devices, an erasure everything"},
	{
		"credential",
		[]string{"enrolment", "identityinvite"},
		"whoever is made with a password has its hash; who accepts proves the present one, or gets another",
	},
	{
		"edits",
		[]string{"hierarchy", "rbac", "membership", "assignment", "decision"},
		"their rows are what decisions depend on",
	},
	{
		"decide",
		[]string{"edits", "hierarchy", "rbac", "membership", "assignment", "decision", "dump", "preview"},
		"a kept change is an edit of a snapshot",
	},
	{"enduser", []string{"membership", "assignment", "decision", "preview"}, "the person behind all of them"},
	{
		"membership",
		[]string{"assignment", "decision", "preview"},
		"who is no member can't be given anything; it counts what members have",
	},
	{
		"hierarchy",
		[]string{"assignment", "decision", "dump", "preview", "scenario"},
		"a role is given at a node; a dump holds a tree",
	},
	{
		"rbac",
		[]string{"assignment", "decision", "dump", "preview"},
		"what is given is a role; a dump holds permissions and roles",
	},
	{
		"assignment",
		[]string{"decision", "dump", "preview"},
		"hands its rows over; what a dump removes takes assignments along",
	},
	{"decision", []string{"preview"}, "what would change is tried on the snapshot that decides"},
	{
		"dump",
		[]string{"preview", "scenario"},
		"what a promotion or a revert would do is judged where it is done; an export is read to ask about",
	},
	{
		"decide",
		[]string{"decide/decidebench", "decisionlog", "decide/oracle", "scenario"},
		"measured, written down, judged by another, asked without a server",
	},
	{"decisionlog", []string{"decision"}, "has its decisions written"},
	{"assignment/ledger", []string{"assignment"}, "holds assignments for its lists and counts"},
	{"hierarchy/names", []string{"hierarchy"}, "holds a tree's names for its searches"},
	{"decide/persist", []string{"decide"}, "snapshots are made of its containers"},
	{
		"database",
		[]string{"wire", "outbox", "mailqueue", "ratelimit", "idempotency", "signingkey", "reseal", "backup"},
		"what they keep lies in the store; an unreachable one is 503",
	},
	{"outbox", []string{"mailqueue"}, "mail leaves through the outbox"},
	{"reseal", []string{"outbox", "signingkey"}, "what they seal comes under another install key"},
	{"mail", []string{"mailqueue"}, "renders and sends what was queued"},
	{"ratelimit", []string{"mailqueue", "wire"}, "mails to one address are limited; a route names its limits"},
	{"wire", []string{"idempotency"}, "keeps answers as wire gives them"},
	{"fault", []string{"secret", "text"}, "a full queue of passwords is a fault, and so is a broken rule"},
	{"id", []string{"principal", "scope"}, "principals and places are named"},
	{"permission", []string{"principal"}, "a principal holds rights"},
	{"scope", []string{"principal"}, "a portal user is bound to a place"},
}

func areaOf(room string) int {
	for i, a := range areas {
		if slices.Contains(a.rooms, room) {
			return i
		}
	}
	return -1
}

// TestPackagesLieInTheirArea: the folder says the area, and no two packages
// share a name, so that no import needs an alias.
func TestPackagesLieInTheirArea(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, p := range packages(t) {
		within, inside := strings.CutPrefix(p.ImportPath, module+"/internal/")
		if !inside || slices.Contains(helpers, p.room()) {
			continue
		}
		name := path.Base(p.ImportPath)
		if seen[name] != "" {
			t.Errorf("%s and %s have one name", seen[name], p.ImportPath)
		}
		seen[name] = p.ImportPath
		a := areaOf(p.room())
		if a < 0 {
			t.Errorf("%s belongs to no area: give it one here and in the README", within)
			continue
		}
		want := areas[a].name + "/" + p.room()
		if areas[a].name == "top" {
			want = p.room()
		}
		if within != want {
			t.Errorf("%s belongs to the area %s, so it is %s", within, areas[a].name, want)
		}
	}
}

func TestImportsPointDown(t *testing.T) {
	t.Parallel()
	used := map[[2]string]bool{}
	for _, p := range packages(t) {
		from := p.room()
		if slices.Contains(helpers, from) {
			continue
		}
		if from == "cmd/canopy" {
			for _, imp := range p.Imports {
				if strings.HasPrefix(imp, module) && room(imp) != "command" {
					t.Errorf("cmd/canopy imports %s: the program is command's, main only starts it", imp)
				}
			}
			continue
		}
		area := areaOf(from)
		if area < 0 {
			t.Errorf("%s belongs to no area", from)
			continue
		}
		for _, imp := range p.Imports {
			to := room(imp)
			switch {
			case !strings.HasPrefix(imp, module+"/"):
			case slices.Contains(helpers, to):
				t.Errorf("%s imports %s, which serves tests only", from, to)
			case areaOf(to) < area:
				t.Errorf("%s (%s) imports %s from a higher area", from, areas[area].name, to)
			case areaOf(to) == area:
				used[[2]string{from, to}] = true
			}
		}
	}
	listed := map[[2]string]bool{}
	for _, s := range sideways {
		for _, from := range s.from {
			listed[[2]string{from, s.to}] = true
			if !used[[2]string{from, s.to}] {
				t.Errorf("%s no longer imports %s: take the arrow off the list", from, s.to)
			}
		}
	}
	for arrow := range used {
		if !listed[arrow] {
			t.Errorf("%s imports %s beside it: move what they share down an area, or list the arrow with its reason",
				arrow[0], arrow[1])
		}
	}
}

func TestEveryRoomOfTheTableExists(t *testing.T) {
	t.Parallel()
	var have []string
	for _, p := range packages(t) {
		have = append(have, p.room())
	}
	for _, f := range areas {
		for _, name := range f.rooms {
			if !slices.Contains(have, name) {
				t.Errorf("%s is listed in the area %q and does not exist", name, f.name)
			}
		}
	}
	for _, name := range helpers {
		if !slices.Contains(have, name) {
			t.Errorf("the helper %s does not exist", name)
		}
	}
}

// TestReadmeShowsTheAreas compares the README's table; packages inside a room
// need not stand there.
func TestReadmeShowsTheAreas(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(raw), "| area | rooms |\n| --- | --- |\n")
	if !found {
		t.Fatal("the README has no table of areas")
	}
	table, _, _ = strings.Cut(table, "\n\n")
	name := regexp.MustCompile("`([^`]+)`")
	var shown, want []string
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		rooms := []string{}
		for _, m := range name.FindAllStringSubmatch(cells[2], -1) {
			rooms = append(rooms, m[1])
		}
		slices.Sort(rooms)
		shown = append(shown, strings.TrimSpace(cells[1])+": "+strings.Join(rooms, " "))
	}
	for _, f := range areas {
		rooms := slices.DeleteFunc(slices.Clone(f.rooms), func(r string) bool { return strings.Contains(r, "/") })
		slices.Sort(rooms)
		want = append(want, f.name+": "+strings.Join(rooms, " "))
	}
	if diff := cmp.Diff(want, shown); diff != "" {
		t.Errorf("the README's areas (-here +there):\n%s", diff)
	}
}
