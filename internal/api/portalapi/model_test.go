package portalapi_test

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// inviteModel is what one Account's invites must look like: the state table of
// the specification, without a database.
type inviteModel struct {
	now     time.Time
	invites []modelInvite
	people  map[string]modelPerson
}

type modelInvite struct {
	email          string
	status         string // as stored: pending stays pending when its time is over
	expires, asked time.Time
	links          int // mails asked for; the last link alone works
}

type modelPerson struct {
	password string // "" for nobody
	member   string // "", active, deactivated
}

// inviteAction is something one can do to an invite or an address.
type inviteAction struct {
	do       string // create, resend, revoke, preview, accept
	email    string // of create
	invite   int    // of the others
	link     int    // of preview and accept: which of the invite's links
	password string // of accept
}

func (a inviteAction) String() string {
	switch a.do {
	case "create":
		return "create " + a.email
	case "preview", "accept":
		return fmt.Sprintf("%s link %d of invite %d %s", a.do, a.link, a.invite, a.password)
	}
	return fmt.Sprintf("%s invite %d", a.do, a.invite)
}

const (
	modelLife     = 168 * time.Hour
	modelCooldown = 5 * time.Minute
)

func (w *inviteModel) clone() *inviteModel {
	return &inviteModel{now: w.now, invites: slices.Clone(w.invites), people: maps.Clone(w.people)}
}

func (w *inviteModel) status(i int) string {
	if inv := w.invites[i]; inv.status == "pending" && !w.now.Before(inv.expires) {
		return "expired"
	}
	return w.invites[i].status
}

// act does an action and gives the answer's status and code.
func (w *inviteModel) act(a inviteAction) string {
	switch a.do {
	case "create":
		return w.create(a.email)
	case "resend":
		return w.resend(a.invite)
	case "revoke":
		if w.status(a.invite) != "pending" {
			return "400 invites.not_pending"
		}
		w.invites[a.invite].status = "revoked"
		return "204 "
	}
	inv := &w.invites[a.invite]
	if a.link != inv.links-1 {
		return "404 invites.not_found"
	}
	switch w.status(a.invite) {
	case "expired":
		return "410 invites.expired"
	case "revoked":
		return "410 invites.revoked"
	case "accepted":
		return "410 invites.already_accepted"
	}
	p := w.people[inv.email]
	if a.do == "preview" {
		if p.password == "" {
			return "200 activate"
		}
		return "200 add_to_app"
	}
	if p.password != "" && p.password != a.password {
		return "401 auth.invalid_credentials"
	}
	inv.status = "accepted"
	w.people[inv.email] = modelPerson{a.password, "active"}
	return "200 "
}

func (w *inviteModel) create(email string) string {
	switch w.people[email].member {
	case "active":
		return "409 invites.already_member"
	case "deactivated":
		return "409 invites.member_deactivated"
	}
	for i, inv := range w.invites {
		if inv.email != email || inv.status != "pending" {
			continue
		}
		if w.status(i) == "pending" {
			return "409 invites.already_pending"
		}
		w.invites[i].status = "expired"
	}
	w.invites = append(w.invites, modelInvite{email, "pending", w.now.Add(modelLife), w.now, 1})
	return "201 "
}

func (w *inviteModel) resend(i int) string {
	inv := &w.invites[i]
	switch {
	case w.status(i) != "pending":
		return "400 invites.not_pending"
	case w.now.Before(inv.asked.Add(modelCooldown)):
		return "400 invites.resend_cooldown"
	}
	inv.links, inv.asked, inv.expires = inv.links+1, w.now, w.now.Add(modelLife)
	return "200 "
}

// inviteView is what the API shows of the Account, in the words of the model.
type inviteView struct {
	Invites []string
	Summary map[string]int
	People  []string
}

func (w *inviteModel) view() inviteView {
	v := inviteView{Invites: []string{}, Summary: map[string]int{}, People: []string{}}
	for i, inv := range w.invites {
		expires := inv.expires.UTC().Format(time.RFC3339)
		v.Invites = append(v.Invites, fmt.Sprintf("%s %s %d %s", inv.email, w.status(i), inv.links, expires))
		v.Summary[w.status(i)]++
	}
	for email, p := range w.people {
		if p.member != "" {
			v.People = append(v.People, email+" "+p.member)
		}
	}
	slices.Sort(v.Invites)
	slices.Sort(v.People)
	return v
}
