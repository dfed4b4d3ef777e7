// Package server builds the object graph of one Canopy and runs it. Each area has
// a wiring file of its own; nothing else wires anything.
package server

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/events/export"
	"canopy.dev/canopy/internal/events/webhook"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/mailqueue"
	"canopy.dev/canopy/internal/platform/outbox"
	"canopy.dev/canopy/internal/platform/signingkey"
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/portal/signup"
)

// Options are what differs between serve, dev and tests.
type Options struct {
	Config  *config.Checked
	DB      *database.DB // opened by the caller, who closes it after Close
	Log     *slog.Logger
	Hash    secret.Params    // zero: secret.DefaultParams
	Sender  mailqueue.Sender // instead of the SMTP server of the settings
	DevMail *DevMail         // shown at /dev/mail
	Version string
	TLS     *tls.Config // nil: plain HTTP
	// Obtain keeps the certificate of TLS current until its context ends; nil where nothing
	// has to be done.
	Obtain func(context.Context)
	Stdout io.Writer // for what the settings want there
}

// Server is one Canopy.
type Server struct {
	Router  *wire.Router
	Signups *signup.Service
	Keys    *signingkey.Service
	Worker  *outbox.Worker
	// Webhooks sends what is queued for them.
	Webhooks *webhook.Sender
	// Exports makes the files that were asked for.
	Exports *export.Worker
	Metrics http.Handler // for a listener of its own

	log      *slog.Logger
	platform *platform
	tenant   *tenant
	people   *identity
	api      *api
	sweeps   []func(context.Context) error
	rewinds  []func(context.Context) error

	tls    *tls.Config           // nil: plain HTTP
	obtain func(context.Context) // nil: nothing is to be done for its certificate

	forCalls, forTasks time.Duration // what they get to end in

	metrics *http.Server // nil: nobody is to read them
}

// New wires a server over a migrated store and makes its first signing key.
func New(ctx context.Context, o Options) (*Server, error) {
	if o.Hash == (secret.Params{}) {
		o.Hash = secret.DefaultParams
	}
	p, err := newPlatform(ctx, o)
	if err != nil {
		return nil, err
	}
	t := newTenant(p)
	p.db.OnCommit(t.committed)
	p.held = t.held
	t.webhooks.Types = eventTypes
	people := newIdentity(o.Config, p)
	portal := newPortal(o.Config, p, t)
	s := &Server{
		Signups: portal.signups, Keys: p.keys, Worker: p.worker, Webhooks: t.sender, Exports: t.exporter,
		Metrics: p.metrics.Handler(),
		log:     o.Log, platform: p, tenant: t, people: people,
		api:     newAPI(o.Log, p, t, people, portal),
		sweeps:  slices.Concat(p.sweeps(), t.sweeps(), people.sweeps(), portal.sweeps()),
		rewinds: append(p.rewinds(), portal.rewinds()...),

		tls: o.TLS, obtain: o.Obtain, forCalls: forCalls, forTasks: forTasks,
	}
	s.Router = newRouter(o, p, t, portal)
	s.api.routes(s.Router)
	s.pages(o)
	return s, nil
}

// Proofs is how many reads of revisions decisions and credentials have stood on.
func (s *Server) Proofs() uint64 { return s.tenant.prover.Reads() }
