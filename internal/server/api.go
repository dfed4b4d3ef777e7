package server

import (
	"log/slog"

	"canopy.dev/canopy/internal/api/accessapi"
	"canopy.dev/canopy/internal/api/authzenapi"
	"canopy.dev/canopy/internal/api/eventsapi"
	"canopy.dev/canopy/internal/api/identityapi"
	"canopy.dev/canopy/internal/api/peopleapi"
	"canopy.dev/canopy/internal/api/portalapi"
	"canopy.dev/canopy/internal/api/tenantapi"
	"canopy.dev/canopy/internal/platform/wire"
)

// resource is what one handler struct adds to the router.
type resource interface{ Routes(rt *wire.Router) }

// door is a package of the API, or the server itself, with its resources.
type door struct {
	name      string
	resources []resource
}

// api is every door that speaks JSON.
type api struct {
	health *health
	doors  []door
}

func newAPI(log *slog.Logger, p *platform, t *tenant, i *identity, u *portal) *api {
	health := &health{platform: p, log: log}
	identities := &peopleapi.Identities{
		Members: i.members, Roster: i.roster, Enrolment: i.enrolment, Profiles: i.profiles,
	}
	return &api{health: health, doors: []door{
		{"portalapi", []resource{
			&portalapi.Signups{Signups: u.signups},
			&portalapi.SignIn{Sessions: u.sessions},
			&portalapi.Passwords{Recovery: u.recovery},
			&portalapi.Sessions{Sessions: u.sessions},
			&portalapi.Users{Members: u.members},
			&portalapi.Invites{Invites: u.invites},
			&portalapi.Keys{Keys: p.keys},
			&portalapi.Attention{Attention: u.attention},
		}},
		{"tenantapi", []resource{
			&tenantapi.Accounts{Accounts: t.accounts},
			&tenantapi.Applications{Applications: t.applications},
			&tenantapi.Environments{Applications: t.applications, Environments: t.environments, Dumps: t.dumps},
			&tenantapi.Dumps{Dumps: t.dumps, Limit: p.importLimit},
		}},
		{"accessapi", []resource{
			&accessapi.Permissions{Access: t.access},
			&accessapi.Roles{Access: t.access},
			&accessapi.Setup{Access: t.access},
			&accessapi.Decisions{Decisions: t.decisions, Members: i.members, Keys: t.keys},
			&accessapi.Previews{Previews: t.previews},
			&accessapi.Reverse{Decisions: t.decisions},
			&accessapi.Schema{Tree: t.tree, Environment: tenantapi.AnyEnvironment},
			&accessapi.Tree{Tree: t.tree},
			&accessapi.Nodes{Tree: t.tree},
			&accessapi.Branches{Tree: t.tree},
			&accessapi.Assignments{Grants: t.grants},
			&accessapi.Holders{Grants: t.grants},
		}},
		{"peopleapi", []resource{
			identities, &peopleapi.Members{Identities: identities}, &peopleapi.Directory{Identities: identities},
			&peopleapi.Credentials{Credentials: i.credentials, Factors: i.factors},
			&peopleapi.Sessions{Sessions: i.sessions},
			&peopleapi.Invites{Invites: i.invites},
			&peopleapi.Keys{Keys: t.keys},
		}},
		{"eventsapi", []resource{
			&eventsapi.Changes{Feed: t.feed}, &eventsapi.Webhooks{Webhooks: t.webhooks},
			&eventsapi.Audit{Audit: t.audit}, &eventsapi.Views{Audit: t.audit},
			&eventsapi.Exports{Exports: t.exports},
		}},
		{"identityapi", []resource{&identityapi.Invites{Invites: i.invites}}},
		{"authzenapi", []resource{
			&authzenapi.Evaluations{Decisions: t.decisions}, &authzenapi.Searches{Decisions: t.decisions},
			&authzenapi.Configuration{Public: p.public},
		}},
		{"server", []resource{health}},
	}}
}

func (a *api) routes(rt *wire.Router) {
	for _, d := range a.doors {
		for _, r := range d.resources {
			r.Routes(rt)
		}
	}
}
