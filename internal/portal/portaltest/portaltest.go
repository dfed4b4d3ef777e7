// Package portaltest runs the portal's rooms for their own tests, without a
// server: real services on a database of the test, with a clock that the test
// turns and mail that it reads.
package portaltest

import (
	"context"
	"net/url"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"canopy.dev/canopy/internal/access/apikey"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/platform/mail"
	"canopy.dev/canopy/internal/platform/mailqueue"
	"canopy.dev/canopy/internal/platform/outbox"
	"canopy.dev/canopy/internal/platform/ratelimit"
	"canopy.dev/canopy/internal/platform/signingkey"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/portal/recovery"
	"canopy.dev/canopy/internal/portal/session"
	"canopy.dev/canopy/internal/portal/signup"
	"canopy.dev/canopy/internal/tenant/application"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Portal is what the rooms stand on, and the rooms. The limits are the defaults
// of an install. Access tokens live for 15 minutes, sessions for 30 days after
// each use and for 90 days in all.
type Portal struct {
	DB     *database.DB
	Clock  *dbtest.Clock
	Hasher *secret.Hasher
	Limits *ratelimit.Limiter
	Guard  *portaluser.Guard
	Keys   *signingkey.Service
	Mail   *mailqueue.Queue

	Applications *application.Service
	Signups      *signup.Service
	Sessions     *session.Service
	Recovery     *recovery.Service

	t      testing.TB
	worker *outbox.Worker
	sent   *sent
}

// prepared holds a signing key, since making one takes longer than most tests.
var prepared = dbtest.NewTemplate(func(ctx context.Context, db *database.DB) error {
	box, err := secret.NewBox(make([]byte, secret.KeySize))
	if err != nil {
		return err
	}
	return signingkey.New(signingkey.Config{DB: db, Box: box}).Ensure(ctx)
})

// Each runs fn on SQLite and on PostgreSQL, beside each other.
func Each(t *testing.T, fn func(t *testing.T, p *Portal)) {
	t.Helper()
	for _, engine := range []database.Engine{database.SQLite, database.Postgres} {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			fn(t, start(t, engine))
		})
	}
}

func start(t testing.TB, engine database.Engine) *Portal {
	t.Helper()
	box, err := secret.NewBox(make([]byte, secret.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	clock := &dbtest.Clock{}
	p := &Portal{
		DB: prepared.Open(t, engine, clock.Now), Clock: clock, t: t, sent: &sent{},
		Hasher: secret.NewHasher(secret.Params{MemoryKiB: 64, Time: 1, Threads: 1}, 0, 64),
	}
	p.Limits = ratelimit.New(p.DB, ratelimit.Defaults())
	p.Guard = &portaluser.Guard{DB: p.DB, Hasher: p.Hasher, Limits: p.Limits}
	p.Keys = signingkey.New(signingkey.Config{DB: p.DB, Box: box, Issuer: "https://canopy.test"})
	if err := p.Keys.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.worker = outbox.NewWorker(outbox.Config{DB: p.DB, Box: box, Lanes: []outbox.Lane{{
		Name: mailqueue.Lane, Parallel: 1, Handlers: p.sent.handlers(t),
	}}})
	p.Mail = &mailqueue.Queue{Outbox: p.worker.Queue(mailqueue.Lane), Limits: p.Limits}
	p.Applications = &application.Service{
		DB: p.DB, Parts: environment.Parts{hierarchy.Part{}, rbac.Part{}, apikey.Part{}},
	}
	p.Signups = &signup.Service{DB: p.DB, Guard: p.Guard, Mail: p.Mail, Applications: p.Applications}
	p.Sessions = &session.Service{
		DB: p.DB, Prover: &revision.Prover{DB: p.DB}, Guard: p.Guard, Keys: p.Keys,
		AccessTTL: 15 * time.Minute, RefreshTTL: 30 * 24 * time.Hour, RefreshMax: 90 * 24 * time.Hour,
	}
	p.Recovery = &recovery.Service{DB: p.DB, Guard: p.Guard, Mail: p.Mail}
	errands := portaluser.Errands{DB: p.DB, Queue: p.worker.Open(outbox.Lane{
		Name: "errand", Parallel: 1, Most: 100, Handlers: map[string]outbox.Handler{
			recovery.ForgotKind: portaluser.Errand(p.Recovery.Forgot),
			signup.ResendKind:   portaluser.Errand(p.Signups.Resend),
		},
	})}
	p.Signups.Errands, p.Recovery.Errands = errands, errands
	return p
}

// sent catches mails.
type sent struct {
	mu    sync.Mutex
	mails []mail.Message
}

// Send implements mailqueue.Sender.
func (s *sent) Send(_ context.Context, m mail.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = append(s.mails, m)
	return nil
}

func (s *sent) handlers(t testing.TB) map[string]outbox.Handler {
	t.Helper()
	renderer, err := mail.NewRenderer(&url.URL{Scheme: "https", Host: "canopy.test"}, "no-reply@canopy.test")
	if err != nil {
		t.Fatal(err)
	}
	handlers, pace := map[string]outbox.Handler{}, &mailqueue.Pace{}
	for kind, h := range map[mail.Kind]mailqueue.Handler{
		mail.VerifyEmail: {Still: signup.StillWanted}, mail.PasswordReset: {Still: recovery.StillWanted},
		mail.UserInvite: {}, mail.AlreadyRegistered: {}, mail.PasswordChanged: {},
	} {
		h.Renderer, h.Sender, h.Pace = renderer, s, pace
		handlers[string(kind)] = h
	}
	return handlers
}

// Mails does what is due and gives all mails to an address, oldest first.
func (p *Portal) Mails(to string) []mail.Message {
	p.t.Helper()
	list, err := p.TryMails(to)
	if err != nil {
		p.t.Fatal(err)
	}
	return list
}

// TryMails is Mails where what is due may fail.
func (p *Portal) TryMails(to string) ([]mail.Message, error) {
	p.t.Helper()
	_, err := p.worker.RunDue(p.t.Context())
	p.sent.mu.Lock()
	defer p.sent.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(p.sent.mails), func(m mail.Message) bool { return m.To != to }), err
}

var link = regexp.MustCompile(`#token=([A-Za-z0-9_-]{43})`)

// Token is that of the newest mail to an address, which has one.
func (p *Portal) Token(to string) string {
	p.t.Helper()
	list := p.Mails(to)
	if len(list) == 0 {
		p.t.Fatalf("no mail was sent to %s", to)
	}
	newest := list[len(list)-1]
	found := link.FindStringSubmatch(newest.Text)
	if found == nil {
		p.t.Fatalf("no link is in the mail %q", newest.Subject)
	}
	return found[1]
}
