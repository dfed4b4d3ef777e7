package portalapi_test

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"canopy.dev/canopy/internal/server/servertest"
)

// inviteMachine drives a server and the model with the same actions.
type inviteMachine struct {
	*servertest.Server
	model *inviteModel
	owner *client
	email string // of the owner
	slug  string
	ids   []string   // by the model's number of an invite
	links [][]string // by invite, then number of the mail; "" where the mail was dropped
	wrong map[string]int
}

func (x *inviteMachine) call(a inviteAction) answer {
	switch a.do {
	case "create":
		return x.owner.Do("POST", servertest.Invites(x.slug), servertest.Invitation(a.email))
	case "resend":
		return x.owner.Do("POST", servertest.Invites(x.slug)+"/"+x.ids[a.invite]+"/resend", nil)
	case "revoke":
		return x.owner.Do("DELETE", servertest.Invites(x.slug)+"/"+x.ids[a.invite], nil)
	case "preview":
		return x.Client().Do("POST", "/v1/auth/invite-info", m{"token": x.links[a.invite][a.link]})
	}
	body := servertest.Acceptance(x.links[a.invite][a.link])
	body["password"] = a.password
	return x.Client().Do("POST", "/v1/auth/accept-invite", body)
}

// told is an answer in the words of the model.
func told(a answer) string {
	what := a.Code()
	if intent := a.Text("data", "intent"); intent != "" {
		what = intent
	}
	return fmt.Sprintf("%d %s", a.Status, what)
}

// note keeps the ids and links that answers and mails brought.
func (x *inviteMachine) note(answers ...answer) {
	for _, a := range answers {
		if a.Status == 201 {
			x.ids, x.links = append(x.ids, a.Text("data", "id")), append(x.links, nil)
		}
	}
	for i, inv := range x.model.invites {
		for len(x.links[i]) < inv.links {
			link := ""
			if len(x.links[i]) == inv.links-1 && inv.status == "pending" {
				link = x.MailedToken(inv.email)
			}
			x.links[i] = append(x.links[i], link)
		}
	}
}

func (x *inviteMachine) view() inviteView {
	v := inviteView{Invites: []string{}, Summary: map[string]int{}, People: []string{}}
	for _, item := range x.owner.Must(200, "GET", servertest.Invites(x.slug)+"?take=100", nil).At("items").([]any) {
		row := item.(m)
		expires, _ := time.Parse(time.RFC3339, row["expires_at"].(string))
		sent := int(row["send_count"].(float64))
		v.Invites = append(v.Invites,
			fmt.Sprintf("%s %s %d %s", row["email"], row["status"], sent, expires.Format(time.RFC3339)))
	}
	summary := x.owner.Must(200, "GET", servertest.Invites(x.slug)+"/summary", nil)
	for _, status := range []string{"pending", "accepted", "expired", "revoked"} {
		if n := int(summary.At("data", status+"_count").(float64)); n > 0 {
			v.Summary[status] = n
		}
	}
	for _, item := range x.people() {
		if email := item["email"].(string); email != x.email {
			member := "deactivated"
			if item["is_active"].(bool) {
				member = "active"
			}
			v.People = append(v.People, email+" "+member)
		}
	}
	slices.Sort(v.Invites)
	slices.Sort(v.People)
	return v
}

func (x *inviteMachine) people() []m {
	var list []m
	users := x.owner.Must(200, "GET", "/portal/v1/accounts/"+x.slug+"/users?take=100", nil)
	for _, item := range users.At("items").([]any) {
		list = append(list, item.(m))
	}
	return list
}

func (x *inviteMachine) move(d time.Duration) {
	x.model.now = x.model.now.Add(d)
	x.Clock.Stop(x.model.now)
	x.owner.SignIn(x.email)
}

// draw chooses an action that can be done now.
func (x *inviteMachine) draw(t *rapid.T, label string) inviteAction {
	emails := slices.Sorted(maps.Keys(x.model.people))
	kinds := []string{"create"}
	if len(x.ids) > 0 {
		kinds = []string{"create", "resend", "revoke", "preview", "accept", "accept"}
	}
	a := inviteAction{do: rapid.SampledFrom(kinds).Draw(t, label), password: servertest.Password}
	if a.do == "create" {
		a.email = rapid.SampledFrom(emails).Draw(t, label+" e-mail")
		return a
	}
	// The newest invites are where something can happen.
	a.invite = len(x.ids) - 1
	a.invite -= min(rapid.IntRange(0, 2).Draw(t, label+" invite, from the newest"), a.invite)
	newest := len(x.links[a.invite]) - 1
	a.link = newest - min(rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(t, label+" link, from the newest"), newest)
	email := x.model.invites[a.invite].email
	if (a.do == "accept" || a.do == "preview") && x.links[a.invite][a.link] == "" {
		a.do = "resend"
	}
	if a.do == "accept" && x.wrong[email] < 3 && rapid.IntRange(0, 3).Draw(t, label+" password") == 0 {
		a.password = "Another-Horse-8"
		x.wrong[email]++ // a few of them only: nobody shall be locked
	}
	return a
}

// TestInviteStateMachine compares what the server does with the model: every
// answer, and after it the list, the summary and the people. Two actions at once
// must come out as one of their two orders would.
func TestInviteStateMachine(t *testing.T) {
	t.Parallel()
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		_ = f.Value.Set("20")
		t.Cleanup(func() { _ = f.Value.Set(f.DefValue) })
	}
	servertest.Each(t, nil, func(t *testing.T, s *server) {
		now, worlds := time.Now().Truncate(time.Second), 0
		rapid.Check(t, func(t *rapid.T) {
			s.Clock.Stop(now)
			worlds++
			x := &inviteMachine{
				Server: s, email: fmt.Sprintf("owner%d@acme.com", worlds), wrong: map[string]int{},
				model: &inviteModel{now: now, people: map[string]modelPerson{}},
			}
			for _, who := range []string{"dana", "kim"} {
				x.model.people[fmt.Sprintf("%s%d@acme.com", who, worlds)] = modelPerson{}
			}
			x.owner, x.slug = s.SignUp(x.email, fmt.Sprintf("Acme %d", worlds))
			t.Repeat(map[string]func(*rapid.T){
				"one": func(t *rapid.T) {
					a := x.draw(t, "action")
					want := x.model.act(a)
					got := x.call(a)
					if told(got) != want {
						t.Fatalf("%s: %s, want %s: %s", a, told(got), want, got.Raw)
					}
					x.note(got)
				},
				"two at once": func(t *rapid.T) { x.together(t, x.draw(t, "first"), x.draw(t, "second")) },
				"time": func(t *rapid.T) {
					x.move(rapid.SampledFrom([]time.Duration{
						time.Minute, modelCooldown - time.Millisecond, modelCooldown, 24 * time.Hour,
						modelLife - time.Millisecond, modelLife,
					}).Draw(t, "passes"))
				},
				"member": x.member,
				"": func(t *rapid.T) {
					if diff := cmp.Diff(x.model.view(), x.view()); diff != "" {
						t.Fatal(diff)
					}
				},
			})
			now = x.model.now
		})
	})
}

// together does two actions at the same time.
func (x *inviteMachine) together(t *rapid.T, first, second inviteAction) {
	var answers [2]answer
	var both sync.WaitGroup
	for i, a := range []inviteAction{first, second} {
		both.Go(func() { answers[i] = x.call(a) })
	}
	both.Wait()
	got := [2]string{told(answers[0]), told(answers[1])}
	seen := x.view()
	var wants []string
	for _, swapped := range []bool{false, true} {
		try := x.model.clone()
		var want [2]string
		if swapped {
			want[1] = try.act(second)
			want[0] = try.act(first)
		} else {
			want[0] = try.act(first)
			want[1] = try.act(second)
		}
		if want == got && cmp.Equal(try.view(), seen) {
			x.model = try
			if swapped {
				answers[0], answers[1] = answers[1], answers[0]
			}
			x.note(answers[:]...)
			return
		}
		wants = append(wants, fmt.Sprintf("%q with %v", want, try.view()))
	}
	t.Fatalf("%s beside %s: %q with %v, want one of %v", first, second, got, seen, wants)
}

// member deactivates, activates or removes somebody.
func (x *inviteMachine) member(t *rapid.T) {
	var inside []string
	for email, p := range x.model.people {
		if p.member != "" {
			inside = append(inside, email)
		}
	}
	if len(inside) == 0 {
		t.Skip("nobody has joined")
	}
	slices.Sort(inside)
	email := rapid.SampledFrom(inside).Draw(t, "person")
	p := x.model.people[email]
	var id string
	for _, item := range x.people() {
		if item["email"] == email {
			id = item["id"].(string)
		}
	}
	path := "/portal/v1/accounts/" + x.slug + "/users/" + id
	switch {
	case rapid.Bool().Draw(t, "remove"):
		x.owner.Must(204, "DELETE", path, nil)
		p.member = ""
	case p.member == "active":
		x.owner.Must(200, "POST", path+"/deactivate", nil)
		p.member = "deactivated"
	default:
		x.owner.Must(200, "POST", path+"/activate", nil)
		p.member = "active"
	}
	x.model.people[email] = p
}
