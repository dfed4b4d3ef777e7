package portaluser_test

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/portal/portaltest"
	"canopy.dev/canopy/internal/portal/portaluser"
)

func TestJoinOnce(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		acme, dana := p.Company("Acme", "alex@acme.com"), p.Person("dana@acme.com")
		join := func(role permission.AccountRole) (joined bool) {
			return dbtest.Write(t, p.DB, func(tx *database.Tx) (bool, error) {
				return portaluser.Join(t.Context(), tx, acme.ID, dana.ID, role)
			})
		}
		of := func() portaluser.Membership {
			return dbtest.Write(t, p.DB, func(tx *database.Tx) (portaluser.Membership, error) {
				m, is, err := portaluser.MembershipOf(t.Context(), tx, acme.ID, dana.ID)
				if !is {
					t.Error("no membership")
				}
				return m, err
			})
		}
		if !join(permission.Admin) {
			t.Error("not joined")
		}
		first := of()
		want := portaluser.Membership{
			Account: acme.Account, AccountName: "Acme", UserID: dana.ID, Role: permission.Admin, Active: true,
			JoinedAt: first.JoinedAt,
		}
		if first != want || first.JoinedAt.IsZero() {
			t.Errorf("%+v", first)
		}
		p.SetActive(acme.Account, dana, false)
		want.Active = false
		if join(permission.Owner) || of() != want {
			t.Errorf("joined again: %+v", of())
		}
	})
}

// What is changed in one Account stays as it is in every other.
func TestMembershipsAreOfOneAccount(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		acme, globex := p.Company("Acme", "alex@acme.com"), p.Company("Globex", "kim@globex.com")
		dana := p.Join(acme.Account, "dana@acme.com", permission.Admin)
		_ = p.Join(globex.Account, dana.Email, permission.Admin)
		do := func(fn func(tx *database.Tx) error) { t.Helper(); dbtest.Do(t, p.DB, fn) }
		expect := func(in scope.Account, role permission.AccountRole, active bool) {
			t.Helper()
			do(func(tx *database.Tx) error {
				m, err := portaluser.FindMember(t.Context(), tx, in.ID, dana.ID)
				if m.Role != role || m.Active != active || m.Email != dana.Email || m.CreatedAt != dana.CreatedAt {
					t.Errorf("%s: %+v", in.Slug, m)
				}
				is, nowActive, err2 := portaluser.IsMember(t.Context(), tx, in.ID, dana.Email)
				if !is || nowActive != active {
					t.Errorf("%s: %v, %v", in.Slug, is, nowActive)
				}
				return errors.Join(err, err2)
			})
		}
		do(func(tx *database.Tx) error {
			return portaluser.SetMemberRole(t.Context(), tx, acme.ID, dana.ID, permission.Owner)
		})
		p.SetActive(globex.Account, dana, false)
		expect(acme.Account, permission.Owner, true)
		expect(globex.Account, permission.Admin, false)
		do(func(tx *database.Tx) error { return portaluser.RemoveMember(t.Context(), tx, acme.ID, dana.ID) })
		expect(globex.Account, permission.Admin, false)
		do(func(tx *database.Tx) error {
			_, err := portaluser.FindMember(t.Context(), tx, acme.ID, dana.ID)
			if !errors.Is(err, portaluser.ErrNotFound) {
				t.Error(err)
			}
			is, _, err := portaluser.IsMember(t.Context(), tx, acme.ID, dana.Email)
			if is {
				t.Error("is a member still")
			}
			return err
		})
		if p.User(dana.Email) != dana {
			t.Error("the user did not stay")
		}
	})
}

func TestActiveMembershipsByName(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		dana := p.Person("dana@acme.com")
		for n, name := range []string{"zeta", "Alpha", "beta", "Gamma", "Off", "Ärzte", "STRASSE 2", "Straße 1"} {
			c := p.Company(name, fmt.Sprintf("owner%d@acme.com", n))
			_ = p.Join(c.Account, dana.Email, permission.Admin)
			p.SetActive(c.Account, dana, name != "Off")
		}
		got := dbtest.Write(t, p.DB, func(tx *database.Tx) (names []string, err error) {
			list, err := portaluser.ActiveMemberships(t.Context(), tx, dana.ID)
			for _, m := range list {
				names = append(names, m.AccountName)
			}
			return names, err
		})
		if fmt.Sprint(got) != "[Alpha beta Gamma Straße 1 STRASSE 2 zeta Ärzte]" {
			t.Error(got)
		}
	})
}

func TestCountsAndOwners(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		acme := p.Company("Acme", "zoe@acme.com")
		globex := p.Company("Globex", "kim@globex.com")
		zoe := p.User("zoe@acme.com")
		off := p.Join(acme.Account, "off@acme.com", permission.Owner)
		p.SetActive(acme.Account, off, false)
		_ = p.Join(acme.Account, "ann@acme.com", permission.Admin)
		_ = p.Join(globex.Account, zoe.Email, permission.Owner)
		bob := p.Join(acme.Account, "bob@acme.com", permission.Owner)
		dbtest.Do(t, p.DB, func(tx *database.Tx) error {
			total, active, err := portaluser.CountMembers(t.Context(), tx, acme.ID)
			if total != 4 || active != 3 || err != nil {
				t.Error(total, active, err)
			}
			total, active, err = portaluser.CountMembers(t.Context(), tx, scope.AccountID{1})
			if total+active != 0 || err != nil {
				t.Error("nobody's Account", total, active, err)
			}
			for besides, want := range map[portaluser.ID]int{zoe.ID: 1, off.ID: 2, bob.ID: 1} {
				n, err := portaluser.OtherOwners(t.Context(), tx, acme.ID, besides)
				if n != want || err != nil {
					t.Errorf("%d, want %d, %v", n, want, err)
				}
			}
			all, err := portaluser.EveryMember(t.Context(), tx, acme.ID)
			if got := addresses(all); got != "zoe@acme.com bob@acme.com off@acme.com ann@acme.com" {
				t.Errorf("%s; owners first, then by name: Alex Reed, bob Cole, off Cole", got)
			}
			return err
		})
	})
}

func addresses(list []portaluser.Member) string {
	var names []string
	for _, m := range list {
		names = append(names, m.Email)
	}
	return strings.Join(names, " ")
}

// Every page of every list is the slice of the sorted, filtered whole.
func TestMembersAreASliceOfTheWhole(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		in, all := somePeople(t, p)
		for _, only := range []portaluser.Activity{"", portaluser.Active, portaluser.Inactive} {
			for _, q := range []string{"", "o", "MÜL", "a_b", "%", `\`, "dana cole", "nowhere"} {
				for n := range len(portaluser.Sorts) * 2 * 6 {
					r := page.Request{Page: 1 + n%6, Take: 7, Q: q, Sort: portaluser.Sorts[n/12], Desc: n/6%2 == 1}
					want, count := whole(all, r, only)
					dbtest.Do(t, p.DB, func(tx *database.Tx) error {
						got, counted, err := portaluser.Members(t.Context(), tx, in, r, only)
						if err == nil && (addresses(got) != addresses(want) || counted != count) {
							t.Fatalf("only=%q %+v: %s of %d, want %s of %d",
								only, r, addresses(got), counted, addresses(want), count)
						}
						return err
					})
				}
			}
		}
	})
}

// Names are found in whatever case they are asked for (field report 17).
func TestMembersAreFoundInAnyCase(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		acme := p.Company("Acme", "alex@acme.com")
		for k, first := range []string{"Νίκος", "Straße", "\u212aelvin", "Ꭰꭱ"} {
			dbtest.Do(t, p.DB, func(tx *database.Tx) error {
				u, _, err := portaluser.Create(t.Context(), tx, principal.System(), acme.ID, portaluser.NewParams{
					ID: id.New[portaluser.ID](tx.Now), Email: fmt.Sprintf("p%d@acme.com", k), FirstName: first, LastName: "Cole",
				})
				if err == nil {
					_, err = portaluser.Join(t.Context(), tx, acme.ID, u.ID, permission.Admin)
				}
				return err
			})
		}
		for q, want := range map[string]string{
			"ΝΊΚΟΣ": "Νίκος", "STRASSE": "Straße", "KELVIN": "\u212aelvin", "ꭰᎡ": "Ꭰꭱ",
		} {
			r := page.Request{Page: 1, Take: 10, Q: q, Sort: portaluser.Sorts[0]}
			dbtest.Do(t, p.DB, func(tx *database.Tx) error {
				list, n, err := portaluser.Members(t.Context(), tx, acme.ID, r, "")
				if n != 1 || len(list) != 1 || list[0].FirstName != want {
					t.Errorf("%s finds %v; want %s", q, list, want)
				}
				return err
			})
		}
	})
}

// whole is the list, the slow and obvious way.
func whole(all []portaluser.Member, r page.Request, only portaluser.Activity) ([]portaluser.Member, int) {
	var found []portaluser.Member
	for _, m := range all {
		q, name := text.Fold(r.Q), text.Fold(m.Name())
		if (only == "" || m.Active == (only == portaluser.Active)) &&
			(strings.Contains(m.Email, q) || strings.Contains(name, q)) {
			found = append(found, m)
		}
	}
	slices.SortFunc(found, func(a, b portaluser.Member) int {
		key := map[string]int{
			"joined_at": a.JoinedAt.Compare(b.JoinedAt),
			"email":     cmp.Compare(a.Email, b.Email),
			"name":      cmp.Compare(text.Fold(a.Name()), text.Fold(b.Name())),
		}[r.Sort.Key]
		order := cmp.Or(key, cmp.Compare(a.UserID.String(), b.UserID.String()))
		if r.Desc {
			order = -order
		}
		return order
	})
	return found[min(len(found), r.Offset()):min(len(found), r.Offset()+r.Take)], len(found)
}

// somePeople fills an Account with people who have names and instants in common,
// and another with as many, whom nobody is to find.
func somePeople(t *testing.T, p *portaltest.Portal) (in scope.AccountID, all []portaluser.Member) {
	t.Helper()
	acme, globex := p.Company("Acme", "alex@acme.com"), p.Company("Globex", "alex@globex.com")
	for k := range 30 {
		u := p.Join(acme.Account, fmt.Sprintf("%c%d@%s.test", 'a'+k%5, k, []string{"acme", "globex", "a_b"}[k%3]),
			permission.Admin)
		_ = p.Join(globex.Account, fmt.Sprintf("other%d@acme.test", k), permission.Admin)
		first, last := []string{"Dana", "Omar", "Zoë"}[k%3], []string{"Cole", "Müller"}[k%2]
		dbtest.Exec(t, p.DB, `UPDATE portal_user SET first_name = $1, last_name = $2, name_fold = $3 WHERE id = $4`,
			first, last, text.Fold(first+" "+last), u.ID)
		dbtest.Exec(t, p.DB, `UPDATE account_member SET joined_at = $1 WHERE user_id = $2`,
			u.CreatedAt.Truncate(time.Second).Add(time.Duration(k/4)*time.Second), u.ID)
		p.SetActive(acme.Account, u, k%4 > 0)
	}
	return acme.ID, dbtest.Write(t, p.DB, func(tx *database.Tx) ([]portaluser.Member, error) {
		return portaluser.EveryMember(t.Context(), tx, acme.ID)
	})
}
