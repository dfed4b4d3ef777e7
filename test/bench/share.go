package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"canopy.dev/canopy/internal/platform/database"
)

// benchShare compares writes with those of a server that records no events, in turns: what the
// rows of the log, and all that hangs on them, cost.
func benchShare(ctx context.Context, o options, engine database.Engine) error {
	if o.without == "" {
		return errors.New("-without: name a program that records no events, or run scripts/bench")
	}
	const size = 10_000
	with, err := newGrove(ctx, o, engine, size, 0, nil)
	if err != nil {
		return err
	}
	defer with.close()
	bare := o
	bare.binary = o.without
	without, err := newGrove(ctx, bare, engine, size, 0, nil)
	if err != nil {
		return err
	}
	defer without.close()
	for _, clients := range []int{1, o.clients} {
		for _, w := range sharedWrites() {
			if err := compareShare(ctx, o, w, clients, with, without); err != nil {
				return err
			}
		}
	}
	return nil
}

// sharedWrite is a kind of write; its numbers are never the same.
type sharedWrite struct {
	name string
	call func(ctx context.Context, g *grove, number int64) error
}

func sharedWrites() []sharedWrite {
	return []sharedWrite{
		{"create a node", func(ctx context.Context, g *grove, n int64) error {
			parent := g.byLevel[6][n%int64(len(g.byLevel[6]))]
			_, err := g.ask(ctx, http.StatusCreated, g.key, http.MethodPost, "/nodes", fmt.Sprintf(
				`{"parent_node_id":%q,"node_type":"t8","name":"Shared %d"}`, parent, n))
			return err
		}},
		{"rename a node", func(ctx context.Context, g *grove, n int64) error {
			node := g.byLevel[7][n%int64(len(g.byLevel[7]))]
			_, err := g.ask(ctx, http.StatusOK, g.key, http.MethodPatch, "/nodes/"+node.String(),
				fmt.Sprintf(`{"name":"Renamed %d"}`, n))
			return err
		}},
		{"move a node", func(ctx context.Context, g *grove, n int64) error {
			node := g.byLevel[7][n%int64(len(g.byLevel[7]))]
			parent := g.byLevel[6][n*7%int64(len(g.byLevel[6]))]
			_, err := g.ask(ctx, http.StatusOK, g.key, http.MethodPost, "/nodes/"+node.String()+"/move",
				fmt.Sprintf(`{"parent_node_id":%q}`, parent))
			return err
		}},
	}
}

// compareShare measures one kind of write on both, in turns.
func compareShare(ctx context.Context, o options, w sharedWrite, clients int, with, without *grove) error {
	const turns = 7
	var shares, rates, bares []float64
	var number atomic.Int64
	for range turns {
		rate := func(g *grove) (float64, error) {
			rate, _, err := load(ctx, clients, o.duration/5, func(ctx context.Context, _ int) error {
				return w.call(ctx, g, number.Add(1))
			})
			return rate, err
		}
		a, err := rate(with)
		if err != nil {
			return err
		}
		b, err := rate(without)
		if err != nil {
			return err
		}
		shares, rates, bares = append(shares, 1-a/b), append(rates, a), append(bares, b)
	}
	each := func(rate float64) time.Duration {
		return time.Duration(float64(clients) / rate * float64(time.Second)).Round(time.Microsecond)
	}
	fmt.Printf("  %-14s %2d clients   with %9v   without %9v   the events' share %4.1f %% (median of %d turns)\n",
		w.name, clients, each(median(rates)), each(median(bares)), 100*median(shares), turns)
	return nil
}
