package serverbench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/task"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/portal/signup"
	"canopy.dev/canopy/internal/server"
)

// stand is a server over a store of one kind, and what is asked of it.
type stand struct {
	options Options
	engine  string
	log     *slog.Logger
	server  *server.Server
	addr    string

	world
	nothing, evaluate, spread, bulk, explain, held, accessible, whoCan load

	token string // of the portal user who makes the world
	end   []func()
}

// nothingPath is served by a handler that reads the body and answers a text, by the server's
// short way.
const nothingPath = "/bench/nothing"

// anAnswer is what handlers answer that decide nothing: as long as that of a decision.
const anAnswer = `{"data":{"allowed":true,"permission":"area1.action10","scope_evaluated":"node",` +
	`"effective_node_id":"01a21a66-f1d1-7e00-aecf-0ddd6fda378a","granting_roles":["Role 17"],"denial_reason":null}}`

// open starts a server over an empty store: the given one, or a SQLite file of its own.
func open(ctx context.Context, o Options, url string) (s *stand, err error) {
	s = &stand{options: o, engine: "postgres", log: slog.New(slog.DiscardHandler)}
	if url == "" {
		dir, err := os.MkdirTemp("", "canopy-bench-")
		if err != nil {
			return nil, err
		}
		s.engine, url = "sqlite", "sqlite:"+filepath.Join(dir, "canopy.db")
		s.end = append(s.end, func() { _ = os.RemoveAll(dir) })
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return s, err
	}
	s.addr = ln.Addr().String()
	settings := config.Settings{ //nolint:gosec // of a store that is made and thrown away
		PublicURL: "http://" + s.addr, DatabaseURL: url, MailFrom: "Canopy <no-reply@localhost>", Signup: "open",
		SecretKey: "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", RateLimits: "off", InviteTTL: 168 * time.Hour,
		PasswordHistory: 5, AccessTTL: time.Hour, RefreshTTL: 720 * time.Hour, RefreshMax: 2160 * time.Hour,
	}
	checked, err := settings.Check()
	if err != nil {
		return s, err
	}
	db, err := database.Open(ctx, url, time.Now)
	if err != nil {
		return s, err
	}
	s.end = append(s.end, func() { _ = db.Close() })
	if err := db.Migrate(ctx); err != nil {
		return s, err
	}
	if s.server, err = server.New(ctx, server.Options{Config: checked, DB: db, Log: s.log}); err != nil {
		return s, err
	}
	s.server.Router.Express(nothingPath, "", 4<<10, func(_ context.Context, x *wire.Express) bool {
		_, whole := x.Body(id.ID{})
		x.Out = append(x.Out, anAnswer...)
		x.Revision = 1
		return whole
	})
	serving, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go task.Try(ctx, s.log, "server", func() {
		defer close(ended)
		_ = s.server.Serve(serving, ln)
	})
	s.end = append(s.end, func() { stop(); <-ended })
	return s, s.signIn(ctx)
}

func (s *stand) close() {
	for len(s.end) > 0 {
		last := len(s.end) - 1
		s.end[last]()
		s.end = s.end[:last]
	}
}

// signIn makes the Account and signs its owner in.
func (s *stand) signIn(ctx context.Context) error {
	const email, password = "bench@canopy.example", "Bench-A-Long-Secret-1a" //nolint:gosec // likewise
	r, err := s.server.Signups.Bootstrap(ctx, principal.System(), signup.Params{
		Email: email, Password: password, FirstName: "Be", LastName: "Nch", AccountName: "Bench", ApplicationName: "Bench",
	})
	if err != nil {
		return fmt.Errorf("the database must be empty: %w", err)
	}
	s.account = "/portal/v1/accounts/" + r.AccountSlug
	s.application = s.account + "/applications/" + r.ApplicationSlug
	var a struct {
		Data struct {
			Token string `json:"access_token"`
		} `json:"data"`
	}
	err = s.call(ctx, http.MethodPost, "/v1/auth/login", map[string]any{"email": email, "password": password}, &a)
	s.token = a.Data.Token
	return err
}

// call asks the server and reads the answer into an object.
func (s *stand) call(ctx context.Context, method, path string, body, into any) error {
	var raw []byte
	if body != nil {
		var err error
		if raw, err = json.Marshal(body); err != nil {
			return err
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://"+s.addr+path, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	if s.token != "" {
		r.Header.Set("Authorization", "Bearer "+s.token)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s %s answers %d: %.300s", method, path, res.StatusCode, answer)
	}
	if into == nil || len(answer) == 0 {
		return nil
	}
	return json.Unmarshal(answer, into)
}

// bare is a server of net/http that reads the same body and writes the same bytes.
type bare struct {
	http *http.Server
	load load
}

func newBare(ctx context.Context, s *stand) (*bare, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b := &bare{
		http: &http.Server{
			ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10,
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.ReadAll(r.Body)
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, anAnswer)
			}),
		},
		load: load{addr: ln.Addr().String(), requests: s.nothing.requests},
	}
	go task.Try(ctx, slog.Default(), "bare server", func() {
		if err := b.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			panic(err) // nobody else would learn of it
		}
	})
	return b, nil
}

func (b *bare) close() { _ = b.http.Close() }
