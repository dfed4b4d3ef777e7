package membership_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// searches are what lists are searched for.
var searches = []string{"", "ann", "ANN", "strasse", "ς", "o%", "o_n", `\`, "acme", "zoe", "e e", "nobody", "p1", "李"}

// expected is the list that the plain model gives: those who fit, in the order asked for.
func (w *world) expected(r page.Request, only membership.Activity, fits func(p *person) bool) (list []string) {
	var some []*person
	for _, p := range w.people {
		switch {
		case !fits(p), only == membership.SwitchedOn && !p.Active, only == membership.SwitchedOff && p.Active:
		case !strings.Contains(p.Email+"\n"+text.Fold(p.FirstName+" "+p.LastName), text.Fold(r.Q)):
		default:
			some = append(some, p)
		}
	}
	slices.SortFunc(some, func(a, b *person) int {
		var n int
		switch r.Sort.Key {
		case "email":
			n = strings.Compare(a.Email, b.Email)
		case "name":
			n = strings.Compare(text.Fold(a.FirstName+" "+a.LastName), text.Fold(b.FirstName+" "+b.LastName))
		default:
			n = a.CreatedAt.Compare(b.CreatedAt)
		}
		n = cmp.Or(n, strings.Compare(a.ID.String(), b.ID.String()))
		if r.Desc {
			n = -n
		}
		return n
	})
	for _, p := range some {
		list = append(list, p.ID.String())
	}
	return list
}

// hold walks a list by pages of several sizes, in every order, and compares each page with the
// model's.
func (w *world) hold(
	what string, fits func(p *person) bool,
	list func(r page.Request, only membership.Activity) ([]string, page.Info, error),
) {
	w.t.Helper()
	for i, sort := range membership.Sorts {
		for _, desc := range []bool{false, true} {
			for j, only := range []membership.Activity{"", membership.SwitchedOn, membership.SwitchedOff} {
				for k, q := range searches {
					if q != "" && (i+j+k+len(what))%4 != 0 {
						continue // each search meets each filter in some list
					}
					r := page.Request{Take: []int{7, 100, 3, 1}[(i+j+k)%4], Q: q, Sort: sort, Desc: desc}
					w.pages(fmt.Sprintf("%s %s %v %q %q", what, sort.Key, desc, only, q), r, w.expected(r, only, fits),
						func(r page.Request) ([]string, page.Info, error) { return list(r, only) })
				}
			}
		}
	}
}

// pages compares all pages, and one past the end.
func (w *world) pages(
	what string, r page.Request, all []string, list func(page.Request) ([]string, page.Info, error),
) {
	w.t.Helper()
	for r.Page = 1; ; r.Page++ {
		from := min((r.Page-1)*r.Take, len(all))
		want := all[from:min(from+r.Take, len(all))]
		got, info, err := list(r)
		if err != nil || !slices.Equal(got, want) || info != r.Of(len(all)) {
			w.t.Errorf("%s, page %d of %d: %v %+v, %v; want %v of %d", what, r.Page, r.Take, got, info, err, want, len(all))
			return
		}
		if len(want) == 0 {
			return
		}
	}
}

func idsOf(list []enduser.Identity) []string {
	ids := make([]string, len(list))
	for i, one := range list {
		ids[i] = one.ID.String()
	}
	return ids
}

// TestListsAgainstAModel: people at random, who come, go, are switched and renamed; every
// filter, sort and page of the three tiers gives what a plain model does.
func TestListsAgainstAModel(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, clock *dbtest.Clock) {
		t.Parallel()
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		w := newWorld(t, db)
		w.populate(60, rand.New(rand.NewPCG(seed, 1)), clock)
		s := &membership.Service{DB: db}
		for i, in := range w.envs {
			at := membership.InEnvironment(in)
			w.hold(fmt.Sprintf("Environment %d", i), func(p *person) bool { return p.envs[in.ID] }, w.of(s, at, false))
			w.hold(fmt.Sprintf("idle in Environment %d", i), func(p *person) bool {
				return p.envs[in.ID] && p.assigned[in.ID] == 0
			}, w.of(s, at, true))
			w.holdSummary(s, at, func(p *person) bool { return p.envs[in.ID] }, func(p *person) bool {
				return p.envs[in.ID] && p.assigned[in.ID] > 0
			})
		}
		for i, app := range w.apps {
			home := w.envs[2*i+1] // not the one that was made first
			at := membership.InApplication(app, home)
			w.hold(app.Slug, func(p *person) bool { return p.apps[app.ID] }, w.of(s, at, false))
			w.hold("idle in "+app.Slug, func(p *person) bool {
				return p.apps[app.ID] && (!p.envs[home.ID] || p.assigned[home.ID] == 0)
			}, w.of(s, at, true))
			w.holdSummary(s, at, func(p *person) bool { return p.apps[app.ID] }, func(p *person) bool {
				return p.apps[app.ID] && p.envs[home.ID] && p.assigned[home.ID] > 0
			})
		}
		w.holdDirectory(s)
	})
}

// of lists who is seen from a place.
func (w *world) of(
	s *membership.Service, at membership.Place, idle bool,
) func(page.Request, membership.Activity) ([]string, page.Info, error) {
	return func(r page.Request, only membership.Activity) ([]string, page.Info, error) {
		list, info, err := s.List(w.t.Context(), at, membership.Query{Request: r, Only: only, Unassigned: idle})
		return idsOf(list), info, err
	}
}

func (w *world) count(fits func(*person) bool) (n int) {
	for _, p := range w.people {
		if fits(p) {
			n++
		}
	}
	return n
}

func (w *world) holdSummary(s *membership.Service, at membership.Place, total, assigned func(*person) bool) {
	w.t.Helper()
	got, err := s.Summary(w.t.Context(), at)
	if want := (membership.Summary{Total: w.count(total), Assigned: w.count(assigned)}); err != nil || got != want {
		w.t.Errorf("%+v, %v; want %+v", got, err, want)
	}
}

// total are somebody's assignments in all Environments, and places the active ones in
// Applications.
func (p *person) total() (n int) {
	for _, of := range p.assigned {
		n += of
	}
	return n
}

func (p *person) places() (n int) {
	for _, active := range p.apps {
		if active {
			n++
		}
	}
	return n
}

func (w *world) holdDirectory(s *membership.Service) {
	w.t.Helper()
	yes, no := true, false
	app, in := w.apps[1], w.envs[0]
	for what, c := range map[string]struct {
		q    membership.DirectoryQuery
		fits func(p *person) bool
	}{
		"all":          {membership.DirectoryQuery{}, func(*person) bool { return true }},
		"assigned":     {membership.DirectoryQuery{Assigned: &yes}, func(p *person) bool { return p.total() > 0 }},
		"not assigned": {membership.DirectoryQuery{Assigned: &no}, func(p *person) bool { return p.total() == 0 }},
		"not in shop": {
			membership.DirectoryQuery{NotInApplication: "shop"}, func(p *person) bool { return !p.apps[app.ID] },
		},
		"not in one": {membership.DirectoryQuery{NotInEnvironment: in.ID}, func(p *person) bool { return !p.envs[in.ID] }},
		"nothing in either": {
			membership.DirectoryQuery{NotInApplication: "shop", NotInEnvironment: in.ID, Assigned: &no},
			func(p *person) bool { return !p.apps[app.ID] && !p.envs[in.ID] && p.total() == 0 },
		},
	} {
		w.hold(what, c.fits, func(r page.Request, only membership.Activity) ([]string, page.Info, error) {
			c.q.Query = membership.Query{Request: r, Only: only}
			list, info, err := s.Directory(w.t.Context(), w.in, c.q)
			ids := make([]string, len(list))
			for i, e := range list {
				ids[i] = e.ID.String()
				p := w.people[slices.IndexFunc(w.people, func(p *person) bool { return p.ID == e.ID })]
				if e.Applications != p.places() || e.Assignments != p.total() {
					w.t.Errorf("%s is in %d Applications with %d assignments, told %+v", p.Email, p.places(), p.total(), e)
				}
			}
			return ids, info, err
		})
	}
	_, _, err := s.Directory(w.t.Context(), w.in, membership.DirectoryQuery{
		Query:            membership.Query{Request: page.Request{Page: 1, Take: 1, Sort: membership.Sorts[0]}},
		NotInApplication: "none",
	})
	if f := fault.As(err); f == nil || f.Code != "validation" {
		w.t.Errorf("an unknown Application: %v", err)
	}
	got, err := s.CountDirectory(w.t.Context(), w.in)
	want := membership.DirectoryCounts{
		Total: len(w.people), Active: w.count(func(p *person) bool { return p.Active }), Unverified: len(w.people),
		NowhereMember: w.count(func(p *person) bool { return p.places() == 0 }),
	}
	if err != nil || got != want {
		w.t.Errorf("%+v, %v; want %+v", got, err, want)
	}
}
