package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/platform/database"
)

// benchCrash kills the server with SIGKILL while clients make invites, starts it
// again, and counts: every invite that was answered with 201 must be there, every
// invite's mail must reach the mail server, and a call that was not answered must act
// once when it is repeated with its Idempotency-Key.
func benchCrash(ctx context.Context, o options, engine database.Engine) error {
	inbox, smtpAddress, stop, err := newInbox(ctx, 0)
	if err != nil {
		return err
	}
	defer stop()
	i, err := newInstance(ctx, o, engine, "CANOPY_SMTP_URL=smtp://"+smtpAddress+"?tls=none")
	if err != nil {
		return err
	}
	defer i.close()
	answered, cut := map[string]bool{}, []int{}
	var mu sync.Mutex
	next := 0
	for kill := range o.kills {
		if _, err := i.start(ctx); err != nil {
			return err
		}
		if err := i.signIn(ctx); err != nil {
			return err
		}
		// The kill falls at another moment of the load each time.
		timer := time.AfterFunc(time.Second+time.Duration(kill)*37*time.Millisecond, i.kill)
		_, _, err := load(ctx, o.clients, time.Minute, func(ctx context.Context, _ int) error {
			mu.Lock()
			next++
			k := next
			mu.Unlock()
			status, _, err := i.create(ctx, k)
			mu.Lock()
			switch {
			case err != nil:
				cut = append(cut, k)
			case status == http.StatusCreated:
				answered[address(k)] = true
			}
			mu.Unlock()
			if err == nil && status != http.StatusCreated {
				return fmt.Errorf("an invite answers %d", status)
			}
			if err != nil {
				return io.EOF // the server is gone
			}
			return nil
		})
		timer.Stop()
		if !errors.Is(err, io.EOF) {
			return fmt.Errorf("the load ended with %w", err)
		}
		i.kill()
	}
	if _, err := i.start(ctx); err != nil {
		return err
	}
	fmt.Printf("%d kills, %d invites answered with 201 of %d asked for\n", o.kills, len(answered), next)
	if err := repeatAll(ctx, i, cut); err != nil {
		return err
	}
	for _, k := range cut { // now each is there, and its mail is to come
		answered[address(k)] = true
	}
	for began := time.Now(); time.Since(began) < 10*time.Minute && inbox.missing(answered) > 0; {
		time.Sleep(200 * time.Millisecond)
	}
	i.stop()
	db, err := i.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	return compare(ctx, db, answered, inbox)
}

func (i *instance) create(ctx context.Context, k int) (int, string, error) {
	status, raw, err := i.call(ctx, http.MethodPost, i.account("/user-invites"), createBody(k),
		"Idempotency-Key", strconv.Itoa(k))
	var a struct {
		Error struct {
			Code string `json:"code"`
		} `json:"error"`
	}
	if err == nil {
		err = json.Unmarshal(raw, &a)
	}
	return status, a.Error.Code, err
}

// repeatAll repeats the calls that were not answered: each acts now, or had acted and
// says so. Acting a second time would find the invite of the first.
func repeatAll(ctx context.Context, i *instance, cut []int) error {
	if err := i.signIn(ctx); err != nil {
		return err
	}
	ended := map[string]int{}
	for _, k := range cut {
		status, code, err := i.create(ctx, k)
		// The claims of the last server that was killed last for a minute.
		for began := time.Now(); code == "idempotency.in_progress" && time.Since(began) < 2*time.Minute; {
			time.Sleep(time.Second)
			status, code, err = i.create(ctx, k)
		}
		switch {
		case err != nil:
			return err
		case status == http.StatusCreated:
			ended["201"]++
		case code == "idempotency.answer_lost":
			ended[code]++
		default:
			return fmt.Errorf("the repeat of %d answers %d %s", k, status, code)
		}
	}
	fmt.Printf("repeats of the %d calls without an answer: %v\n", len(cut), ended)
	return nil
}

// compare holds what was answered against the store, and the store against what
// was mailed.
func compare(ctx context.Context, db *database.DB, answered map[string]bool, inbox *inbox) error {
	lost, unsent, queued, integrity := 0, 0, 0, "not SQLite's"
	err := database.Do(database.Long(ctx), db, func(tx *database.Tx) error {
		there := map[string]bool{}
		err := tx.Query(ctx, func(row database.Scanner) error {
			var email string
			err := row.Scan(&email)
			there[email] = true
			return err
		}, `SELECT email FROM user_invite`)
		if err != nil {
			return err
		}
		for email := range answered {
			if !there[email] {
				lost++
			}
		}
		unsent = inbox.missing(there)
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM outbox WHERE state = 'queued'`).Scan(&queued); err != nil {
			return err
		}
		if db.Engine == database.SQLite {
			return tx.QueryRow(ctx, `PRAGMA integrity_check`).Scan(&integrity)
		}
		return nil
	})
	if err != nil {
		return err
	}
	once, again := inbox.count()
	fmt.Printf("answered and lost: %d; invites in the database whose mail never came: %d; still queued: %d\n",
		lost, unsent, queued)
	fmt.Printf("addresses mailed: %d, of them more than once: %d; integrity check: %s\n", once, again, integrity)
	if lost > 0 || unsent > 0 || db.Engine == database.SQLite && integrity != "ok" {
		return errors.New("something was lost")
	}
	return nil
}

// inbox is a mail server that counts what each address gets.
type inbox struct {
	far  time.Duration // until it greets, as over a network
	mu   sync.Mutex
	seen map[string]int
}

// newInbox starts one at an address of its own.
func newInbox(ctx context.Context, far time.Duration) (b *inbox, address string, stop func(), err error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", nil, err
	}
	b = &inbox{far: far, seen: map[string]int{}}
	mailServer := smtp.NewServer(b)
	mailServer.Domain, mailServer.AllowInsecureAuth = "localhost", true
	go func() { _ = mailServer.Serve(ln) }()
	return b, ln.Addr().String(), func() { _ = mailServer.Close() }, nil
}

// NewSession implements smtp.Backend.
func (b *inbox) NewSession(*smtp.Conn) (smtp.Session, error) {
	time.Sleep(b.far)
	return &delivery{inbox: b}, nil
}

// missing counts the addresses that have got nothing.
func (b *inbox) missing(of map[string]bool) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for address := range of {
		if b.seen[address] == 0 {
			n++
		}
	}
	return n
}

func (b *inbox) count() (addresses, again int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range b.seen {
		if n > 1 {
			again++
		}
	}
	return len(b.seen), again
}

type delivery struct {
	inbox *inbox
	to    string
}

var link = regexp.MustCompile(`#token=`)

func (d *delivery) Mail(string, *smtp.MailOptions) error { return nil }

func (d *delivery) Rcpt(to string, _ *smtp.RcptOptions) error {
	d.to = to
	return nil
}

// Data takes the mail, if it holds a link.
func (d *delivery) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if !link.Match(raw) {
		return errors.New("a mail without a link")
	}
	d.inbox.mu.Lock()
	defer d.inbox.mu.Unlock()
	d.inbox.seen[d.to]++
	return nil
}

func (d *delivery) Reset()        {}
func (d *delivery) Logout() error { return nil }
