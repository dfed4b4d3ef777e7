package identityapi_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/server/servertest"
)

// TestFiftyCreatesAtOnce: one invite of an address stands, whoever asks for it and from where.
func TestFiftyCreatesAtOnce(t *testing.T) {
	t.Parallel()
	each(t, nil, func(t *testing.T, w *world) {
		for place, path := range map[string]string{
			"the Environment": w.at + "/identity-invites", "the directory": w.account + "/identity-invites",
		} {
			got := servertest.AtOnce(50, func() string {
				body := m{"email": "dana@acme.com", "first_name": "Dana", "last_name": "Cole"}
				return servertest.Outcome(w.owner.Do("POST", path, body))
			})
			if want := map[string]int{"ok": 1, "invites.already_pending": 49}; !maps.Equal(got, want) {
				t.Errorf("%s: %v", place, got)
			}
		}
		if n := dbtest.Number(t, w.DB, `SELECT count(*) FROM identity_invite`); n != 2 {
			t.Errorf("%d invites", n)
		}
		live := w.inviteInto(w.at, "dana@acme.com")
		a := w.owner.Do("POST", w.at+"/identity-invites", invitation("dana@acme.com", nil))
		if a.Text("error", "data", "id") != live["id"] || a.Text("error", "data", "expires_at") != live["expires_at"] {
			t.Error(a.Raw)
		}
	})
}

// inviteInto is the one invite of an address into an Environment.
func (w *world) inviteInto(at, email string) m {
	w.t.Helper()
	list := w.owner.Must(200, "GET", at+"/identity-invites?status=pending&q="+email, nil)
	if list.At("pagination", "item_count") != 1. {
		w.t.Fatalf("%s has %s", email, list.Raw)
	}
	return list.At("items").([]any)[0].(m)
}

// TestFiftyAcceptsAtOnce: one wins, whatever accepting is about; there is one of everything.
func TestFiftyAcceptsAtOnce(t *testing.T) {
	t.Parallel()
	each(t, nil, func(t *testing.T, w *world) {
		root, role := w.owner.Tree(w.at), w.role()
		w.memberAt(w.account+production, "mia@acme.com")
		w.member("noa@acme.com")
		given := m{"role_id": role, "node_id": root}
		for email, fields := range map[string]m{
			"dana@acme.com": given, "mia@acme.com": given, "noa@acme.com": {"intent": "password_reset"},
		} {
			_, token := w.invite(email, fields)
			body := joining(token)
			if email == "noa@acme.com" {
				body["password"] = "another secret"
			}
			got := servertest.AtOnce(50, func() string { return servertest.Outcome(w.accept(body)) })
			want := map[string]int{"ok": 1, "invites.already_accepted": 49}
			if !maps.Equal(got, want) {
				t.Errorf("%s: %v", email, got)
			}
		}
		for query, want := range map[string]int{
			`SELECT count(*) FROM identity`:                                             3,
			`SELECT count(*) FROM membership`:                                           4,
			`SELECT count(*) FROM app_membership`:                                       3,
			`SELECT count(*) FROM assignment`:                                           2,
			`SELECT count(*) FROM audit_event WHERE action = 'invite.accepted'`:         3,
			`SELECT count(*) FROM audit_event WHERE action = 'identity.password.reset'`: 1,
			`SELECT count(*) FROM rate_place`:                                           0,
		} {
			if n := dbtest.Number(t, w.DB, query); n != want {
				t.Errorf("%s gives %d, want %d", query, n, want)
			}
		}
	})
}

// TestTwoInvitesOfOneNewAddress: accepted at once, one makes the person, and the other finds it.
func TestTwoInvitesOfOneNewAddress(t *testing.T) {
	t.Parallel()
	each(t, nil, func(t *testing.T, w *world) {
		for i := range 5 {
			email := fmt.Sprintf("p%d@acme.com", i)
			_, here := w.invite(email, nil)
			_, there := w.inviteAt(w.account+production, email, nil)
			var wg sync.WaitGroup
			for _, token := range []string{here, there} {
				wg.Go(func() { is(t, email, w.accept(joining(token)), "ok") })
			}
			wg.Wait()
		}
		identities := dbtest.Number(t, w.DB, `SELECT count(*) FROM identity`)
		members := dbtest.Number(t, w.DB, `SELECT count(*) FROM membership WHERE status = 'active'`)
		if identities != 5 || members != 10 {
			t.Errorf("%d identities, %d members", identities, members)
		}
	})
}

// rival is what happens to an invite while it is accepted, and what the loser of the two is
// answered.
type rival struct {
	does  func(w *world, r *round) answer
	loser string   // of accepting
	wins  []string // what the rival is answered once the invite is accepted; empty: it succeeds
}

// round is one race.
type round struct {
	email, invite, node, role, who string
}

var rivals = map[string]rival{
	"revoke": {func(w *world, r *round) answer {
		return w.owner.Do("DELETE", w.at+"/identity-invites/"+r.invite, nil)
	}, "invites.revoked", []string{"invites.not_pending"}},
	"resend": {func(w *world, r *round) answer {
		return w.owner.Do("POST", w.at+"/identity-invites/"+r.invite+"/resend", nil)
	}, "invites.not_found", []string{"invites.not_pending"}},
	"delete the node": {func(w *world, r *round) answer {
		return w.owner.Do("DELETE", w.at+"/nodes/"+r.node, nil)
	}, "invites.revoked", nil},
	"delete the role": {func(w *world, r *round) answer {
		return w.owner.Do("DELETE", w.at+"/roles/"+r.role, nil)
	}, "invites.revoked", nil},
	"remove from the Application": {func(w *world, r *round) answer {
		return w.owner.Do("DELETE", w.account+"/applications/desk/identities/"+r.who, nil)
	}, "invites.revoked", nil},
	"erase": {func(w *world, r *round) answer {
		return w.owner.Do("DELETE", w.account+"/identities/"+r.who, nil)
	}, "invites.not_found", nil},
	"switch off": {func(w *world, r *round) answer {
		return w.owner.Do("POST", w.account+production+"/identities/"+r.who+"/deactivate", nil)
	}, "identities.inactive", nil},
}

// orphans are grants that stand on what is not there.
var orphans = map[string]string{
	"an assignment at a node that is gone": `SELECT count(*) FROM assignment a LEFT JOIN node n
		ON n.id = a.node_id AND n.deleted_at IS NULL WHERE n.id IS NULL`,
	"an assignment of a role that is gone": `SELECT count(*) FROM assignment a LEFT JOIN role r ON r.id = a.role_id
		WHERE r.id IS NULL`,
	"an assignment of nobody": `SELECT count(*) FROM assignment a LEFT JOIN membership ms
		ON ms.identity_id = a.identity_id AND ms.environment_id = a.environment_id AND ms.status = 'active'
		WHERE ms.id IS NULL`,
	"a membership of nobody": `SELECT count(*) FROM membership ms LEFT JOIN identity i ON i.id = ms.identity_id
		WHERE i.id IS NULL`,
	"a membership below none": `SELECT count(*) FROM membership ms LEFT JOIN app_membership am
		ON am.identity_id = ms.identity_id AND am.application_id = ms.application_id AND am.status = 'active'
		WHERE ms.status = 'active' AND am.id IS NULL`,
	"an invite that names a node that is gone": `SELECT count(*) FROM identity_invite v LEFT JOIN node n
		ON n.id = v.node_id AND n.deleted_at IS NULL WHERE v.status = 'pending' AND v.node_id IS NOT NULL AND n.id IS NULL`,
	"an invite that names a role that is gone": `SELECT count(*) FROM identity_invite v LEFT JOIN role r
		ON r.id = v.role_id WHERE v.status = 'pending' AND v.role_id IS NOT NULL AND r.id IS NULL`,
	"a mail of an invite that is not pending": `SELECT count(*) FROM outbox o JOIN identity_invite v
		ON v.id = o.subject_id AND o.version = v.token_hash WHERE v.status <> 'pending' AND o.payload IS NOT NULL`,
}

// TestAcceptAndWhatTakesItAlong at once: one of the two comes first, and no grant stands on what
// is gone.
func TestAcceptAndWhatTakesItAlong(t *testing.T) {
	t.Parallel()
	each(t, nil, func(t *testing.T, w *world) {
		root := w.owner.Tree(w.at)
		for _, name := range slices.Sorted(maps.Keys(rivals)) {
			for i := range 6 {
				email := strings.ReplaceAll(fmt.Sprintf("%s-%d@acme.com", name, i), " ", "-")
				r := &round{
					email: email, who: w.memberAt(w.account+production, email),
					node: w.owner.Node(w.at, root, "region", email), role: w.owner.Role(w.at, email),
				}
				body := m{"email": email, "role_id": r.role, "node_id": r.node}
				made := w.owner.Must(201, "POST", w.at+"/identity-invites", body)
				r.invite = made.Text("data", "id")
				dbtest.Exec(t, w.DB, `UPDATE identity_invite SET asked_at = asked_at - 600000000`)
				race(t, w, name, r, tokenOf(t, made))
			}
			for what, query := range orphans {
				if n := dbtest.Number(t, w.DB, query); n != 0 {
					t.Errorf("after %s: %d times %s", name, n, what)
				}
			}
		}
	})
}

func race(t *testing.T, w *world, name string, r *round, token string) {
	t.Helper()
	v := rivals[name]
	var accepted, other answer
	var wg sync.WaitGroup
	wg.Go(func() { accepted = w.accept(m{"token": token, "password": password}) })
	wg.Go(func() { other = v.does(w, r) })
	wg.Wait()
	first, second := servertest.Outcome(accepted), servertest.Outcome(other)
	switch {
	case first == "ok" && (len(v.wins) == 0 && second == "ok" || slices.Contains(v.wins, second)):
	case first == v.loser && second == "ok":
	default:
		t.Errorf("%s: accept is %s, the other one %s", name, accepted.Raw, other.Raw)
	}
}

// TestCreateAndWhatItStandsOn at once: no invite stands whose node or role is gone, and none of
// somebody who was erased.
func TestCreateAndWhatItStandsOn(t *testing.T) {
	t.Parallel()
	each(t, nil, func(t *testing.T, w *world) {
		root := w.owner.Tree(w.at)
		for name, refused := range map[string]string{
			"delete the node": "nodes.node_not_found", "delete the role": "rbac.role_not_found",
			"erase": "validation", "switch off": "identities.inactive",
		} {
			for i := range 6 {
				email := strings.ReplaceAll(fmt.Sprintf("%s-%d@acme.com", name, i), " ", "-")
				r := &round{
					who:  w.memberAt(w.account+production, email),
					node: w.owner.Node(w.at, root, "region", email), role: w.owner.Role(w.at, email),
				}
				var made, other answer
				var wg sync.WaitGroup
				wg.Go(func() {
					body := m{"email": email, "role_id": r.role, "node_id": r.node}
					made = w.owner.Do("POST", w.at+"/identity-invites", body)
				})
				wg.Go(func() { other = rivals[name].does(w, r) })
				wg.Wait()
				is(t, name, other, "ok")
				if got := servertest.Outcome(made); got != "ok" && got != refused {
					t.Errorf("beside %s: %s", name, made.Raw)
				}
			}
			for what, query := range orphans {
				if n := dbtest.Number(t, w.DB, query); n != 0 {
					t.Errorf("after %s: %d times %s", name, n, what)
				}
			}
		}
		n := dbtest.Number(t, w.DB, `SELECT count(*) FROM identity_invite WHERE email LIKE 'erase%'`)
		if n != 0 {
			t.Errorf("%d invites of who is erased", n)
		}
	})
}
