package database_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// bouncer starts PgBouncer before the server of an address, handing two sessions
// round among all transactions, and gives the address through it.
func bouncer(t *testing.T, address string) string {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/pgbouncer"); err != nil {
			t.Fatal("no PgBouncer for the test: apt-get install pgbouncer")
		}
	}
	// By way of a proxy, as the server's socket may be its own user's alone.
	u, err := url.Parse(dbtest.NewProxy(t, address).URL)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "canopy-pgbouncer-*") //nolint:usetesting // another user is to read it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listen := ln.Addr().(*net.TCPAddr)
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	config := fmt.Sprintf(`[databases]
* = host=%s port=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = trust
auth_file = %s/users
pool_mode = transaction
default_pool_size = 2
`, u.Hostname(), u.Port(), listen.Port, dir)
	for name, text := range map[string]string{
		"config": config, "users": fmt.Sprintf("%q %q\n", u.User.Username(), password),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	args := []string{filepath.Join(dir, "config")}
	if os.Getuid() == 0 { // it refuses to run as root
		args = append([]string{"-u", "nobody"}, args...)
	}
	var said bytes.Buffer
	cmd := exec.CommandContext(context.Background(), program, args...)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGINT)
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(said.String())
		}
	})
	for range 500 {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", listen.String())
		if err == nil {
			_ = conn.Close()
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	u.Host = listen.String()
	return u.String()
}

// TestBehindAPoolerOfTransactions: with a plain address, from an empty database on,
// with several replicas.
func TestBehindAPoolerOfTransactions(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	direct := dbtest.URL(t, database.Postgres)
	if err := opened(t, direct).MigrateTo(ctx, 0); err != nil {
		t.Fatal(err)
	}
	address := bouncer(t, direct)
	var wg sync.WaitGroup
	for replica := range 2 {
		wg.Go(func() {
			db, err := database.Open(ctx, address, time.Now)
			if err != nil {
				t.Error(err)
				return
			}
			defer db.Close()
			if err := db.Migrate(ctx); err != nil {
				t.Error(err)
				return
			}
			var clients sync.WaitGroup
			for client := range 8 {
				clients.Go(func() {
					for k := range 10 {
						id := fmt.Sprintf("u%d-%d-%d", replica, client, k)
						if err := user(ctx, db, id, id+"@x.test"); err != nil {
							t.Error(err)
						}
						if n := count(t, db, "portal_user WHERE first_name = 'A'"); n == 0 {
							t.Error("it reads none")
						}
					}
				})
			}
			clients.Wait()
			if _, err := db.Migrations(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := count(t, opened(t, address), "portal_user"); n != 160 {
		t.Errorf("%d of 160 are there", n)
	}
}

// TestThePoolIsAsLargeAsItIsSet, however many ask at once.
func TestThePoolIsAsLargeAsItIsSet(t *testing.T) {
	t.Parallel()
	proxy := dbtest.NewProxy(t, dbtest.URL(t, database.Postgres))
	db := opened(t, with(t, proxy.URL, "pool_max_conns", "3"))
	var wg sync.WaitGroup
	for range 120 {
		wg.Go(func() { count(t, db, "portal_user") })
	}
	wg.Wait()
	if n := proxy.Opened(); n > 3+1 { // and the one for proofs
		t.Errorf("%d connections", n)
	}
}
