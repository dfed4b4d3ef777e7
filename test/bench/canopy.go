package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
)

const (
	owner    = "owner@acme.test"
	password = "Correct-Horse-7"
)

// instance is a Canopy on a database of its own, that can be started, killed and
// started again.
type instance struct {
	o      options
	url    string // of the server
	dbURL  string
	env    []string
	slug   string
	token  string
	http   *http.Client
	cmd    *exec.Cmd
	ended  chan struct{} // closed when the server is gone; nil before the first start
	forget func()
}

// newInstance makes an empty database and an owner in it. env are further
// settings. The server isn't running yet.
func newInstance(ctx context.Context, o options, engine database.Engine, env ...string) (*instance, error) {
	dir, err := os.MkdirTemp("", "canopy-bench-")
	if err != nil {
		return nil, err
	}
	i := &instance{o: o, dbURL: "sqlite:" + filepath.Join(dir, "canopy.db"), forget: func() { _ = os.RemoveAll(dir) }}
	if engine == database.Postgres {
		if err := i.makePostgres(ctx); err != nil {
			return nil, err
		}
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := ln.Addr().String()
	_ = ln.Close()
	i.url = "http://" + addr
	i.http = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4 * o.clients}, Timeout: time.Minute}
	i.env = append([]string{
		"CANOPY_ADDR=" + addr, "CANOPY_PUBLIC_URL=" + i.url,
		"CANOPY_DATABASE_URL=" + i.dbURL, "CANOPY_SECRET_KEY=" + secret.NewKey(),
		"CANOPY_RATE_LIMITS=off", "CANOPY_ACCESS_TOKEN_TTL=1h", "CANOPY_LOG_FORMAT=json",
		"HOME=" + dir, "PATH=" + os.Getenv("PATH"),
	}, env...)

	boot := exec.CommandContext(ctx, o.binary, "bootstrap", "--email", owner,
		"--account", "Acme Realty", "--application", "Lease Desk")
	boot.Env, boot.Stdin = i.env, strings.NewReader(password+"\n")
	out, err := boot.Output()
	if err != nil {
		return nil, fmt.Errorf("bootstrap: %w", said(err))
	}
	var made struct {
		Account struct {
			Slug string `json:"slug"`
		} `json:"account"`
	}
	if err := json.Unmarshal(out, &made); err != nil {
		return nil, err
	}
	i.slug = made.Account.Slug
	return i, nil
}

// running makes an instance and starts it.
func running(ctx context.Context, o options, engine database.Engine, env ...string) (*instance, error) {
	i, err := newInstance(ctx, o, engine, env...)
	if err != nil {
		return nil, err
	}
	if _, err := i.start(ctx); err != nil {
		i.close()
		return nil, err
	}
	return i, nil
}

func said(err error) error {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	return err
}

func (i *instance) makePostgres(ctx context.Context) error {
	admin, err := sql.Open("pgx", i.o.postgres)
	if err != nil {
		return err
	}
	defer admin.Close()
	name := "bench_" + strconv.FormatInt(time.Now().UnixNano(), 36)
	if _, err := admin.ExecContext(ctx, "CREATE DATABASE "+name); err != nil {
		return err
	}
	u, err := url.Parse(i.o.postgres)
	if err != nil {
		return err
	}
	u.Path = "/" + name
	i.dbURL = u.String()
	removeDir := i.forget
	i.forget = func() {
		removeDir()
		again, err := sql.Open("pgx", i.o.postgres)
		if err == nil {
			_, _ = again.ExecContext(context.WithoutCancel(ctx), "DROP DATABASE "+name+" WITH (FORCE)")
			_ = again.Close()
		}
	}
	return nil
}

// start starts the server and tells how long its first 200 on /readyz took.
func (i *instance) start(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	i.cmd = exec.CommandContext(ctx, i.o.binary, "serve")
	i.cmd.Env, i.cmd.Stderr = i.env, io.Discard
	if err := i.cmd.Start(); err != nil {
		return 0, err
	}
	ended := make(chan struct{})
	i.ended = ended
	go func() {
		_ = i.cmd.Wait()
		close(ended)
	}()
	for time.Since(began) < 30*time.Second {
		ask, err := http.NewRequestWithContext(ctx, http.MethodGet, i.url+"/readyz", http.NoBody)
		if err != nil {
			return 0, err
		}
		if res, err := i.http.Do(ask); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return time.Since(began), nil
			}
		}
		time.Sleep(2 * time.Millisecond)
	}
	return 0, errors.New("the server is not ready after 30 s")
}

// stop ends the server as its operator would, kill as an accident does.
func (i *instance) stop() { i.end(syscall.SIGTERM) }
func (i *instance) kill() { i.end(syscall.SIGKILL) }

func (i *instance) end(s syscall.Signal) {
	if i.ended != nil {
		_ = i.cmd.Process.Signal(s)
		<-i.ended
	}
}

func (i *instance) close() {
	i.kill()
	i.forget()
}

// resident is the server's resident memory in bytes (VmRSS of /proc).
func (i *instance) resident() (int64, error) { return i.memory("VmRSS:") }

// own is the part of it that is no page of a file (RssAnon).
func (i *instance) own() (int64, error) { return i.memory("RssAnon:") }

func (i *instance) memory(what string) (int64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", i.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(raw), what)
	kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	return kib << 10, err
}

// signIn signs the owner in.
func (i *instance) signIn(ctx context.Context) error {
	status, raw, err := i.call(ctx, http.MethodPost, "/v1/auth/login",
		fmt.Sprintf(`{"email":%q,"password":%q}`, owner, password))
	if err != nil {
		return err
	}
	var a struct {
		Data struct {
			AccessToken string `json:"access_token"`
		} `json:"data"`
	}
	if err := json.Unmarshal(raw, &a); err != nil || status != http.StatusOK {
		return fmt.Errorf("sign-in answers %d: %s", status, raw)
	}
	i.token = a.Data.AccessToken
	return nil
}

// account is the path of a resource of the Account.
func (i *instance) account(path string) string { return "/portal/v1/accounts/" + i.slug + path }

// call asks the server; header holds pairs.
func (i *instance) call(ctx context.Context, method, path, body string, header ...string) (int, []byte, error) {
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, i.url+path, reader)
	if err != nil {
		return 0, nil, err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if i.token != "" {
		req.Header.Set("Authorization", "Bearer "+i.token)
	}
	for at := 0; at+1 < len(header); at += 2 {
		req.Header.Set(header[at], header[at+1])
	}
	res, err := i.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	return res.StatusCode, raw, err
}

// must is call for what has to answer with a status.
func (i *instance) must(ctx context.Context, want int, method, path, body string) error {
	status, raw, err := i.call(ctx, method, path, body)
	if err == nil && status != want {
		err = fmt.Errorf("%s %s answers %d: %s", method, path, status, raw)
	}
	return err
}

// open opens the instance's database in this process, while the server is not
// running.
func (i *instance) open(ctx context.Context) (*database.DB, error) {
	return database.Open(ctx, i.dbURL, time.Now)
}
