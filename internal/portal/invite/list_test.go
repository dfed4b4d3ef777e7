package invite

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/tenant/account"
)

// Every page of every list is the slice of the sorted, filtered whole, and tells
// its exact size, also on the last page, past the end, and where sort values are
// equal.
func TestListIsASliceOfTheWhole(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		t.Parallel()
		all := someInvites(t, db)
		s := &Service{DB: db}
		in := scope.Account{ID: all[0].AccountID}
		for _, status := range []Status{"", Pending, Accepted, Expired, Revoked} {
			for _, q := range []string{"", "o", "MÜL", "acme", "a_b", "%", "dana cole", "nowhere"} {
				for _, by := range Sorts {
					for _, desc := range []bool{false, true} {
						for number := 1; number <= 9; number++ {
							r := page.Request{Page: number, Take: 7, Q: q, Sort: by, Desc: desc}
							want, count := whole(all, r, status)
							got, info, err := s.List(t.Context(), in, r, status)
							if err != nil {
								t.Fatal(err)
							}
							if fmt.Sprint(ids(got)) != fmt.Sprint(ids(want)) || info.ItemCount != count {
								t.Fatalf("status=%q %+v: %v of %d, want %v of %d",
									status, r, ids(got), info.ItemCount, ids(want), count)
							}
						}
					}
				}
			}
		}
	})
}

// whole is the list, the slow and obvious way.
func whole(all []Invite, r page.Request, status Status) ([]Invite, int) {
	var found []Invite
	for _, i := range all {
		q, name := text.Fold(r.Q), text.Fold(i.FirstName+" "+i.LastName)
		if (status == "" || i.Status == status) && (strings.Contains(i.Email, q) || strings.Contains(name, q)) {
			found = append(found, i)
		}
	}
	slices.SortFunc(found, func(a, b Invite) int {
		key := map[string]int{
			"created_at": a.CreatedAt.Compare(b.CreatedAt),
			"expires_at": a.ExpiresAt.Compare(b.ExpiresAt),
			"email":      cmp.Compare(a.Email, b.Email),
			"name":       cmp.Compare(text.Fold(a.FirstName+" "+a.LastName), text.Fold(b.FirstName+" "+b.LastName)),
		}[r.Sort.Key]
		order := cmp.Or(key, cmp.Compare(a.ID.String(), b.ID.String()))
		if r.Desc {
			order = -order
		}
		return order
	})
	return found[min(len(found), r.Offset()):min(len(found), r.Offset()+r.Take)], len(found)
}

func ids(list []Invite) []string {
	names := []string{}
	for _, i := range list {
		names = append(names, i.Email)
	}
	return names
}

// Names are found in whatever case they are asked for (field report 17).
func TestSearchFoldsCase(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		names := []string{"Νίκος", "Straße", "\u212aelvin", "Ꭰꭱ", "İrem"}
		in := dbtest.Write(t, db, func(tx *database.Tx) (account.ID, error) {
			in, err := anAccount(t.Context(), tx)
			for k, first := range names {
				if err != nil {
					break
				}
				d := Draft{Email: fmt.Sprintf("p%d@x.test", k), FirstName: first, LastName: "Cole"}
				_, err = tx.Exec(t.Context(), insertInvite, id.New[ID](tx.Now), in, d.Email, first, d.LastName,
					d.folded(), d.searched(), first, in, tx.Now, tx.Now.Add(time.Hour))
			}
			return in, err
		})
		s := &Service{DB: db}
		for q, want := range map[string]string{
			"ΝΊΚΟΣ": "Νίκος", "νίκοσ": "Νίκος", "Νι\u0301κος": "Νίκος", "STRASSE": "Straße", "strasse c": "Straße",
			"KELVIN": "\u212aelvin", "ꭰᎡ": "Ꭰꭱ", "İREM": "İrem",
		} {
			r := page.Request{Page: 1, Take: 10, Q: q, Sort: Sorts[0]}
			list, info, err := s.List(t.Context(), scope.Account{ID: in}, r, "")
			if err != nil || len(list) != 1 || info.ItemCount != 1 || list[0].FirstName != want {
				t.Errorf("%s finds %v, %v; want %s", q, list, err, want)
			}
		}
	})
}

// someInvites writes 50 invites of one Account and as many of another, with many
// equal names and instants, and gives the last Account's as a list shows them.
func someInvites(t *testing.T, db *database.DB) []Invite {
	t.Helper()
	var all []Invite
	err := database.Do(t.Context(), db, func(tx *database.Tx) error {
		for range 2 {
			in, err := anAccount(t.Context(), tx)
			if err != nil {
				return err
			}
			all = all[:0]
			for k := range 50 {
				i, err := likeOthers(t.Context(), tx, in, k)
				if err != nil {
					return err
				}
				all = append(all, i)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// likeOthers writes the k-th invite of an Account, which has much in common with
// others.
func likeOthers(ctx context.Context, tx *database.Tx, in account.ID, k int) (Invite, error) {
	made := tx.Now.Add(-time.Duration(k/4) * 24 * time.Hour)
	i := Invite{
		ID: id.New[ID](made), AccountID: in,
		Email:     fmt.Sprintf("%c%d@%s.test", 'a'+k%5, k, []string{"acme", "globex", "a_b"}[k%3]),
		FirstName: []string{"Dana", "Omar", "Zoë"}[k%3], LastName: []string{"Cole", "Müller"}[k%2],
		CreatedAt: made, ExpiresAt: made.Add(time.Duration(24+k%3*96) * time.Hour),
	}
	d := Draft{Email: i.Email, FirstName: i.FirstName, LastName: i.LastName}
	if _, err := tx.Exec(ctx, insertInvite, i.ID, in, i.Email, i.FirstName, i.LastName, d.folded(), d.searched(),
		fmt.Sprint(in, k), in, i.CreatedAt, i.ExpiresAt); err != nil {
		return i, err
	}
	stored := []Status{Pending, Pending, Accepted, Expired, Revoked}[k%5]
	i.Status = stored.at(tx.Now, i.ExpiresAt)
	_, err := tx.Exec(ctx, `UPDATE user_invite SET status = $1 WHERE id = $2`, string(stored), i.ID)
	return i, err
}
