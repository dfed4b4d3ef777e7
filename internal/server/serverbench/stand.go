package serverbench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/task"
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/portal/signup"
)

// stand is a server over a store of one kind, and what is asked of it.
type stand struct {
	*serving

	options Options
	engine  string
	url     string // of the store
	forget  func() // removes what is only for this run

	world
	nothing, evaluate, spread, bulk, explain, held, accessible, whoCan load

	token string // of the portal user who makes the world
}

// nothingPath is served by a handler that reads the body and answers a text, by the server's
// short way.
const nothingPath = "/bench/nothing"

// anAnswer is what handlers answer that decide nothing: as long as that of a decision.
const anAnswer = `{"data":{"allowed":true,"permission":"area1.action10","scope_evaluated":"node",` +
	`"effective_node_id":"01a21a66-f1d1-7e00-aecf-0ddd6fda378a","granting_roles":["Role 17"],"denial_reason":null}}`

func doNothing(_ context.Context, x *wire.Express) bool {
	_, whole := x.Body(id.ID{})
	x.Out = append(x.Out, anAnswer...)
	x.Revision = 1
	return whole
}

// open starts a server over an empty store: the given one, or a SQLite file of its own. What it
// gives is to be closed, also beside an error.
func open(ctx context.Context, o Options, url string) (s *stand, err error) {
	s = &stand{serving: &serving{}, options: o, engine: "postgres", url: url, forget: func() {}}
	if url == "" {
		dir, err := os.MkdirTemp("", "canopy-bench-")
		if err != nil {
			return s, err
		}
		s.engine, s.url = "sqlite", "sqlite:"+filepath.Join(dir, "canopy.db")
		s.forget = func() { _ = os.RemoveAll(dir) }
	}
	s.rnd = rand.New(rand.NewPCG(o.Seed, 0)) //nolint:gosec // a world, not a secret
	if s.serving, err = serve(ctx, s.url); err != nil {
		return s, err
	}
	return s, s.signIn(ctx)
}

func (s *stand) close() {
	s.serving.close()
	s.forget()
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
	s.environment = s.account + "/applications/" + r.ApplicationSlug + "/environments/development"
	var a struct {
		Data struct {
			Token string `json:"access_token"`
		} `json:"data"`
	}
	err = s.call(ctx, http.MethodPost, "/v1/auth/login", map[string]any{"email": email, "password": password}, &a)
	s.token = a.Data.Token
	return err
}

// request asks by an API key.
func (s *stand) request(method, path, key, body string) string {
	return request(method, s.addr, path, "X-API-Key: "+key, body)
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
