package serverbench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/foundation/id"
)

// elsewhere writes to one server and asks another over the same store as soon as the write is
// answered. Each answer has to be right: a role that was given counts, one that was taken does
// not. The time is that of this first answer.
func (b *bench) elsewhere(ctx context.Context, s *stand) error {
	if s.engine != "postgres" {
		return nil // a SQLite file has one server
	}
	b.logf("asking another server after each of %d writes", b.o.Writes)
	other, err := serve(ctx, s.url)
	defer other.close()
	if err != nil {
		return err
	}
	c, err := dial(ctx, other.addr)
	if err != nil {
		return err
	}
	defer c.Close()
	w := &witness{s: s, c: c}
	if err := w.begin(ctx); err != nil {
		return err
	}
	began := time.Now()
	var took times
	for n := range b.o.Writes {
		d, err := w.write(ctx, n)
		if err != nil {
			return err
		}
		took = append(took, d)
	}
	each := float64(len(took)) / time.Since(began).Seconds()
	b.report.Rows = append(b.report.Rows, Row{
		Name: s.engine + ": first answer of a replica after a write", Clients: 1, PerSecond: each,
		P50: took.at(0.5), P99: took.at(0.99), Writes: each,
	})
	return nil
}

// witness sees what is written at one server at another.
type witness struct {
	s *stand
	c conn // to the other

	person id.ID // who has nothing else
	given  id.ID // the assignment that stands
}

// begin makes the person, who may do nothing yet. With this question the other server reads the
// Environment.
func (w *witness) begin(ctx context.Context) error {
	var a made
	err := w.s.call(ctx, http.MethodPost, w.s.environment+"/identities", object{
		"email": "witness@canopy.example", "first_name": "Wit", "last_name": "Ness",
	}, &a)
	if err != nil {
		return err
	}
	w.person = a.Data.ID
	_, err = w.ask(0, false)
	return err
}

// write gives a role or takes it back, in turns, and asks.
func (w *witness) write(ctx context.Context, n int) (took time.Duration, err error) {
	if n%2 == 1 {
		if err := w.s.take(ctx, w.given); err != nil {
			return 0, err
		}
		return w.ask(n/2, false)
	}
	w.given, err = w.s.give(ctx, w.person, w.s.nodes[n/2%len(w.s.nodes)], w.s.roles[n/2%len(w.s.roles)])
	if err != nil {
		return 0, err
	}
	return w.ask(n/2, true)
}

var errStale = errors.New("the other server answers as before the write")

// ask asks for what the n-th role grants where it is given.
func (w *witness) ask(n int, allowed bool) (time.Duration, error) {
	body := question(decide.Question{
		Identity: w.person, Permission: w.s.granted[n%len(w.s.granted)], Node: w.s.nodes[n%len(w.s.nodes)],
	})
	request := w.s.request(http.MethodPost, "/api/v1/permissions/evaluate", w.s.key, body)
	began := time.Now()
	raw, err := w.c.ask(request)
	took := time.Since(began)
	if err != nil {
		return took, err
	}
	var a struct {
		Data struct {
			Allowed bool `json:"allowed"`
		} `json:"data"`
	}
	if err := json.Unmarshal(raw, &a); err != nil {
		return took, err
	}
	if a.Data.Allowed != allowed {
		return took, fmt.Errorf("%w: %s", errStale, raw)
	}
	return took, nil
}
