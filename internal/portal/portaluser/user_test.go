package portaluser_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/events/eventtest"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/portal/portaltest"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/tenant/account"
)

func TestOneUserForEachAddress(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		in := id.New[account.ID](p.DB.Now())
		guest := portaltest.Guest("192.0.2.1")
		got := dbtest.AtOnce(20, func() string {
			made, err := database.Write(t.Context(), p.DB, func(tx *database.Tx) (string, error) {
				n := portaluser.NewParams{
					ID: id.New[portaluser.ID](tx.Now), Email: "dana@acme.com",
					FirstName: "Dana", LastName: "Müller", PasswordHash: "x",
				}
				u, created, err := portaluser.Create(t.Context(), tx, guest, in, n)
				switch {
				case err != nil:
					return "", err
				case created && u.ID == n.ID:
					return "made", nil
				case !created && u == portaluser.User{}:
					return "there is one", nil
				}
				return "another user", nil
			})
			if err != nil {
				return err.Error()
			}
			return made
		})
		if diff := cmp.Diff(map[string]int{"made": 1, "there is one": 19}, got); diff != "" {
			t.Error(diff)
		}
		u := p.User("dana@acme.com")
		want := portaluser.User{
			ID: u.ID, Email: "dana@acme.com", FirstName: "Dana", LastName: "Müller", PasswordHash: "x",
			PasswordChangedAt: u.CreatedAt, CreatedAt: u.CreatedAt,
		}
		if u != want || u.CreatedAt.IsZero() {
			t.Errorf("%+v", u)
		}
		rows := eventtest.Take(t, p.DB)
		if len(rows) != 1 || rows[0].Action != "user.registered" || rows[0].Visible || rows[0].Account != in.Any() ||
			rows[0].ActorID != u.ID.Any() || rows[0].ActorLabel != u.Email || rows[0].ActorType != "user" ||
			rows[0].Metadata != `{"email":"dana@acme.com"}` || rows[0].Correlation != guest.Request.ID {
			t.Errorf("%+v", rows)
		}
		n := dbtest.Write(t, p.DB, func(tx *database.Tx) (int, error) { return portaluser.Count(t.Context(), tx) })
		if n != 1 {
			t.Errorf("%d users", n)
		}
	})
}

func TestAbsentUser(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = p.Person("dana@acme.com")
		dbtest.Do(t, p.DB, func(tx *database.Tx) error {
			if _, known, err := portaluser.ByEmail(t.Context(), tx, "dan@acme.com"); known || err != nil {
				t.Error(known, err)
			}
			if _, known, err := portaluser.ByID(t.Context(), tx, portaluser.ID{1}); known || err != nil {
				t.Error(known, err)
			}
			if _, err := portaluser.Find(t.Context(), tx, portaluser.ID{1}); !errors.Is(err, portaluser.ErrNotFound) {
				t.Error(err)
			}
			return nil
		})
	})
}

// Whoever read the password that is replaced wins, once.
func TestSetPasswordOnceOfMany(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		u := p.Person("dana@acme.com")
		set := func(hash string) string {
			won, err := database.Write(t.Context(), p.DB, func(tx *database.Tx) (bool, error) {
				who, won, err := portaluser.SetPassword(t.Context(), tx, u, hash)
				if won && who.User().PasswordHash != hash {
					t.Errorf("%+v", who)
				}
				return won, err
			})
			if err != nil {
				return err.Error()
			}
			return map[bool]string{true: "set", false: "too late"}[won]
		}
		got := dbtest.AtOnce(20, func() string { return set("new") })
		if diff := cmp.Diff(map[string]int{"set": 1, "too late": 19}, got); diff != "" {
			t.Error(diff)
		}
		now := p.User(u.Email)
		if now.PasswordHash != "new" || !now.PasswordChangedAt.After(u.PasswordChangedAt) {
			t.Errorf("%+v", now)
		}
		// A hash under new parameters is no new password, and replaces none.
		dbtest.Do(t, p.DB, func(tx *database.Tx) error { return portaluser.Rehash(t.Context(), tx, u, "of the old") })
		if after := p.User(u.Email); after != now {
			t.Errorf("%+v", after)
		}
		dbtest.Do(t, p.DB, func(tx *database.Tx) error { return portaluser.Rehash(t.Context(), tx, now, "renewed") })
		renewed := now
		renewed.PasswordHash = "renewed"
		if after := p.User(u.Email); after != renewed {
			t.Errorf("%+v", after)
		}
	})
}

// A person's event is told to every Account that the person can enter, and to
// operators alone when there is none.
func TestRecordTellsEveryActiveAccount(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		acme, globex := p.Company("Acme", "alex@acme.com"), p.Company("Globex", "kim@globex.com")
		initech := p.Company("Initech", "lou@initech.com")
		dana := p.Join(acme.Account, "dana@acme.com", permission.Admin)
		_ = p.Join(globex.Account, dana.Email, permission.Owner)
		_ = p.Join(initech.Account, dana.Email, permission.Admin)
		p.SetActive(initech.Account, dana, false)
		_ = eventtest.Take(t, p.DB)

		record := func() []eventtest.Row {
			dbtest.Do(t, p.DB, func(tx *database.Tx) error {
				by := portaltest.Guest("192.0.2.9")
				return portaluser.RecordFailure(t.Context(), tx, by, dana, true, portaluser.WrongPassword)
			})
			return eventtest.Take(t, p.DB)
		}
		rows := record()
		got := map[id.ID]bool{}
		for _, r := range rows {
			got[r.Account] = r.Visible && r.ResourceID == dana.ID.Any() && r.ResourceLabel == dana.Email &&
				r.ResourceType == "user" && r.Metadata == `{"reason":"wrong_password","ip_address":"192.0.2.9"}`
		}
		want := map[id.ID]bool{acme.ID.Any(): true, globex.ID.Any(): true}
		if diff := cmp.Diff(want, got); diff != "" || len(rows) != 2 {
			t.Errorf("%s\n%+v", diff, rows)
		}

		p.SetActive(acme.Account, dana, false)
		p.SetActive(globex.Account, dana, false)
		rows = record()
		if len(rows) != 1 || !rows[0].Account.IsZero() || rows[0].Visible || rows[0].ResourceID != dana.ID.Any() {
			t.Errorf("without an Account: %+v", rows)
		}

		dbtest.Do(t, p.DB, func(tx *database.Tx) error {
			return portaluser.RecordFailure(
				t.Context(), tx, principal.System(), portaluser.User{}, false, portaluser.UnknownAddress)
		})
		rows = eventtest.Take(t, p.DB)
		if len(rows) != 1 || !rows[0].Account.IsZero() || rows[0].Visible || rows[0].ResourceType != "" ||
			!rows[0].ResourceID.IsZero() || rows[0].ResourceLabel != "" {
			t.Errorf("about nobody: %+v", rows)
		}
	})
}
