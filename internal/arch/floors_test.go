package arch_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// floors, the highest first. Packages import lower floors only.
var floors = []struct {
	name  string
	rooms []string
}{
	{"wiring", []string{"command", "server", "config"}},
	{"doors", []string{"portalapi", "hosted"}},
	{"rooms", []string{"account", "application", "portaluser", "registration", "session", "invite", "member", "mailer", "outbox", "audit",
		"signingkey", "ratelimit", "idempotency"}},
	{"the pure core", []string{"decide", "decide/decidebench"}},
	{"plumbing", []string{"database", "wire", "mail", "telemetry", "reference"}},
	{"words", []string{"id", "fault", "text", "secret", "principal", "page"}},
}

// helpers serve tests and are imported by nothing else.
var helpers = []string{"arch", "server/servertest", "database/dbtest", "mail/mailtest", "decide/oracle"}

// sideways are the imports within one floor, by what is imported.
var sideways = []struct {
	to   string
	from []string
	why  string
}{
	{"server", []string{"command"}, "serve runs one"},
	{"config", []string{"command", "server"}, "settings come in here and go down as values: no door or room knows them"},
	{"audit", []string{"account", "application", "portaluser", "registration", "session", "invite", "member"}, "a change writes its row in its own transaction"},
	{"outbox", []string{"mailer", "invite"}, "mail leaves through the outbox; an invite says how its mail fares"},
	{"mailer", []string{"registration", "session", "invite"}, "a change queues its mail in its own transaction"},
	{"ratelimit", []string{"mailer", "portaluser", "invite"}, "limits are taken where the thing limited happens"},
	{"account", []string{"portaluser", "registration", "session", "invite", "member"}, "a person is somebody through the membership"},
	{"application", []string{"registration", "session"}, "sign-up makes the first one, a session is bound to one"},
	{"portaluser", []string{"registration", "session", "invite", "member"}, "the person behind all four"},
	{"registration", []string{"session", "invite"}, "signing in tells who has not confirmed the address yet; who is invited in needs no sign-up"},
	{"session", []string{"member"}, "who is switched off or removed loses the sessions"},
	{"signingkey", []string{"session"}, "signs and verifies access tokens"},
	{"decide", []string{"decide/decidebench"}, "measures it"},
	{"database", []string{"wire"}, "an unreachable store is 503 and not our fault"},
	{"fault", []string{"secret"}, "a full queue of passwords is a fault"},
	{"id", []string{"principal"}, "principals are named"},
}

func floorOf(name string) int {
	for i, f := range floors {
		if slices.Contains(f.rooms, name) {
			return i
		}
	}
	return -1
}

func TestImportsPointDown(t *testing.T) {
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
		floor := floorOf(from)
		if floor < 0 {
			t.Errorf("%s stands on no floor: give it one here and in the README", from)
			continue
		}
		for _, imp := range p.Imports {
			to := room(imp)
			switch {
			case !strings.HasPrefix(imp, module+"/"):
			case slices.Contains(helpers, to):
				t.Errorf("%s imports %s, which serves tests only", from, to)
			case floorOf(to) < floor:
				t.Errorf("%s (%s) imports %s from a higher floor", from, floors[floor].name, to)
			case floorOf(to) == floor:
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
			t.Errorf("%s imports %s beside it: move what they share down a floor, or list the arrow with its reason", arrow[0], arrow[1])
		}
	}
}

func TestEveryRoomOfTheTableExists(t *testing.T) {
	var have []string
	for _, p := range packages(t) {
		have = append(have, p.room())
	}
	for _, f := range floors {
		for _, name := range f.rooms {
			if !slices.Contains(have, name) {
				t.Errorf("%s stands on the floor %q and does not exist", name, f.name)
			}
		}
	}
	for _, name := range helpers {
		if !slices.Contains(have, name) {
			t.Errorf("the helper %s does not exist", name)
		}
	}
}

// TestReadmeShowsTheFloors compares the README's table; packages inside a room
// need not stand there.
func TestReadmeShowsTheFloors(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(raw), "| floor | rooms |\n| --- | --- |\n")
	if !found {
		t.Fatal("the README has no table of floors")
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
	for _, f := range floors {
		rooms := slices.DeleteFunc(slices.Clone(f.rooms), func(r string) bool { return strings.Contains(r, "/") })
		slices.Sort(rooms)
		want = append(want, f.name+": "+strings.Join(rooms, " "))
	}
	if diff := cmp.Diff(want, shown); diff != "" {
		t.Errorf("the README's floors (-here +there):\n%s", diff)
	}
}
