// Package replicas_test lets several processes of the real program serve one database while
// clients write and ask, and processes, connections and the database fail; and holds every
// answer to what is promised: it is that of its revision, and no older than what was answered
// before it was asked, or than the question allows; and it is given to those whose credential
// is good, and to nobody from whom it was taken. And every event of a write comes to who
// subscribes to it, however often the process is killed.
package replicas_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/platform/mail/mailtest"
)

// canopy is the program, built once.
var canopy string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "canopy-replicas-*")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = os.RemoveAll(dir) }()
		canopy = filepath.Join(dir, "canopy")
		build := exec.CommandContext(context.Background(), "go", "build", "-o", canopy, "../../cmd/canopy")
		out, err := build.CombinedOutput()
		if err != nil {
			fmt.Fprintf(os.Stderr, "%v: %s\n", err, out)
			return 1
		}
		return m.Run()
	}())
}

// cluster is some processes on one database.
type cluster struct {
	t         testing.TB
	url       string // of the database itself
	processes []*process
	mails     *mailtest.Server
}

// newCluster makes an install and starts n processes, each with a proxy of its own before
// the database, as far as it is one of PostgreSQL.
func newCluster(t testing.TB, engine database.Engine, n int) *cluster {
	t.Helper()
	c := &cluster{t: t, url: dbtest.URL(t, engine), mails: mailtest.New(t)}
	key := secret.NewKey()
	for range n {
		p := &process{t: t}
		address, url := free(t), c.url
		if engine == database.Postgres {
			p.proxy = dbtest.NewProxy(t, c.url)
			url = p.proxy.URL
		}
		p.url = "http://" + address
		p.env = []string{
			"CANOPY_ADDR=" + address, "CANOPY_PUBLIC_URL=http://localhost", "CANOPY_RATE_LIMITS=off",
			"CANOPY_DATABASE_URL=" + url, "CANOPY_SECRET_KEY=" + key, "CANOPY_LOG_LEVEL=error",
			"CANOPY_SMTP_URL=" + c.mails.URL(), "CANOPY_ACCESS_TOKEN_TTL=1h",
			"CANOPY_WEBHOOK_ALLOWED_CIDRS=127.0.0.0/8",
			"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(),
		}
		if len(c.processes) == 0 {
			p.run(password+"\n", "bootstrap", "--email", owner, "--account", "Acme", "--application", "Desk")
		}
		p.start()
		c.processes = append(c.processes, p)
	}
	return c
}

// free is an address that nobody listens on.
func free(t testing.TB) string {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// process is one server.
type process struct {
	t     testing.TB
	url   string
	env   []string
	proxy *dbtest.Proxy // before its database; nil on SQLite

	mu   sync.Mutex
	cmd  *exec.Cmd
	said *bytes.Buffer
}

// run runs a command of the program to its end.
func (p *process) run(stdin string, args ...string) {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), canopy, args...)
	cmd.Env, cmd.Stdin = p.env, strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		p.t.Fatalf("canopy %s: %v: %s", args[0], err, out)
	}
}

// start starts it, and waits until it is ready. It ends with the test.
func (p *process) start() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil {
		return
	}
	if p.said == nil {
		p.t.Cleanup(p.kill)
	}
	p.said = &bytes.Buffer{}
	p.cmd = exec.CommandContext(context.Background(), canopy, "serve")
	p.cmd.Env, p.cmd.Stderr = slices.Clone(p.env), p.said
	if err := p.cmd.Start(); err != nil {
		p.cmd = nil
		p.t.Error(err)
		return
	}
	if err := p.ready(); err != nil {
		p.t.Errorf("it is not ready: %v: %s", err, p.said)
	}
}

// ready waits until it is ready.
func (p *process) ready() (err error) {
	for range 1200 {
		var r *http.Request
		r, err = http.NewRequestWithContext(context.Background(), http.MethodGet, p.url+"/readyz", http.NoBody)
		if err != nil {
			return err
		}
		var res *http.Response
		if res, err = http.DefaultClient.Do(r); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
			err = fmt.Errorf("it answers %s", res.Status)
		}
		time.Sleep(25 * time.Millisecond)
	}
	return err
}

// kill ends it as a power cut does.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	p.cmd = nil
}
