package server

import (
	"context"

	"canopy.dev/canopy/internal/access/apikey"
	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/decision"
	"canopy.dev/canopy/internal/access/dump"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/access/preview"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/events/audit"
	"canopy.dev/canopy/internal/events/delivery"
	"canopy.dev/canopy/internal/events/export"
	"canopy.dev/canopy/internal/events/feed"
	"canopy.dev/canopy/internal/events/retention"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/events/seal"
	"canopy.dev/canopy/internal/events/webhook"
	"canopy.dev/canopy/internal/identity/identityinvite"
	"canopy.dev/canopy/internal/identity/identitysession"
	"canopy.dev/canopy/internal/identity/mfa"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/telemetry"
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/tenant/account"
	"canopy.dev/canopy/internal/tenant/application"
	"canopy.dev/canopy/internal/tenant/environment"
)

// tenant is what the area of Accounts, Applications and Environments offers.
type tenant struct {
	db           *database.DB
	prover       *revision.Prover
	accounts     *account.Service
	applications *application.Service
	named        *application.Places
	environments *environment.Service
	access       *rbac.Service
	tree         *hierarchy.Service
	keys         *apikey.Service
	grants       *assignment.Service
	decisions    *decision.Service
	hints        *database.Hints // ids of Environments that others have changed
	dumps        *dump.Service
	previews     *preview.Service
	seal         *seal.Service
	feed         *feed.Service
	retention    *retention.Service
	webhooks     *webhook.Service
	sender       *webhook.Sender
	audit        *audit.Service
	exports      *export.Service
	exporter     *export.Worker
}

func newTenant(p *platform) *tenant {
	parts := environment.Parts{
		hierarchy.Part{},
		rbac.Part{},
		apikey.Part{},
		membership.Part{},
		assignment.Part{},
		identitysession.Part{},
		mfa.Part{},
		identityinvite.Part{},
		webhookPart{},
		exportPart{},
	}
	prover := &revision.Prover{DB: p.db, Log: p.log}
	applications := &application.Service{DB: p.db, Parts: parts}
	atNodes := []hierarchy.Dependent{assignment.Part{}, identityinvite.Part{}}
	ofRoles := []rbac.Dependent{assignment.Part{}, identityinvite.Part{}}
	grants := &assignment.Service{DB: p.db}
	decisions := &decision.Service{DB: p.db, Prover: prover, Log: p.log, Decided: p.decided, Memory: p.decisionMemory}
	dumps := dump.New(dump.Config{
		DB: p.db, Log: p.log, Applications: applications, AtNodes: atNodes, OfRoles: ofRoles,
		Invites: identityinvite.Part{},
	})
	sealed := &seal.Service{DB: p.db, Log: p.log}
	webhooks, sender := newWebhooks(p)
	exports, exporter := newExports(p)
	return &tenant{
		db:           p.db,
		seal:         sealed,
		retention:    &retention.Service{DB: p.db, Keep: p.auditRetention},
		webhooks:     webhooks,
		sender:       sender,
		exports:      exports,
		exporter:     exporter,
		feed:         &feed.Service{DB: p.db, Seal: sealed},
		audit:        &audit.Service{DB: p.db, Seal: sealed, Log: p.log},
		prover:       prover,
		accounts:     &account.Service{DB: p.db},
		applications: applications,
		named:        &application.Places{DB: p.db, Prover: prover},
		environments: &environment.Service{DB: p.db, Parts: parts},
		access:       &rbac.Service{DB: p.db, Dependents: ofRoles},
		tree:         &hierarchy.Service{DB: p.db, Dependents: atNodes, Holders: grants},
		grants:       grants,
		decisions:    decisions,
		hints:        database.NewHints(p.db, p.log),
		keys:         &apikey.Service{DB: p.db, Prover: prover, Limits: p.limits, Unknown: rbac.Unknown},
		dumps:        dumps,
		previews: preview.New(preview.Config{
			Decisions: decisions, Dumps: dumps, Invites: identityinvite.Part{},
		}),
	}
}

// committed brings this process up to a transaction that has changed Environments, and tells
// the others.
func (t *tenant) committed(ctx context.Context, tx *database.Tx) {
	for _, in := range revision.Raises(tx) {
		t.hints.Tell(in.ID.String())
	}
	t.decisions.Committed(ctx, tx)
	t.sender.Committed(tx)
}

// held tells what decisions are made from.
func (t *tenant) held() telemetry.Decisions {
	d := t.decisions.Stats()
	return telemetry.Decisions{
		Bytes: d.Bytes, Environments: d.Environments, Oldest: d.Oldest, Loading: d.Loading, Loads: d.Loads,
		Failures: d.Failures, Rebuilds: d.Rebuilds, Changes: d.Changes, Evictions: d.Evictions, Waits: d.Waits,
		Proofs: t.prover.Reads(),
	}
}

// places finds what a path names.
func (t *tenant) places() wire.Places {
	return wire.Places{
		Application: t.named.Application, Environment: t.named.Environment, DefaultEnvironment: t.named.Default,
		AccountNotFound: account.ErrNotFound, ApplicationNotFound: application.ErrNotFound,
		EnvironmentNotFound: environment.ErrNotFound,
	}
}

func (t *tenant) sweeps() []func(context.Context) error {
	changes := func(ctx context.Context) error { return revision.Sweep(ctx, t.db) }
	deliveries := func(ctx context.Context) error { return delivery.Sweep(ctx, t.db) }
	nodes := func(ctx context.Context) error { return hierarchy.Sweep(ctx, t.db) }
	return []func(context.Context) error{
		nodes, t.environments.Sweep, t.applications.Sweep, t.keys.Sweep, t.keys.Flush, changes, t.retention.Sweep,
		deliveries, t.exports.Sweep,
	}
}
