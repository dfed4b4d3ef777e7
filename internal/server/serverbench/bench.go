package serverbench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"

	"canopy.dev/canopy/internal/foundation/task"
)

// Options are what to generate and how long to measure.
type Options struct {
	Nodes       int           `help:"Nodes of the tree." default:"10000"`
	Identities  int           `help:"Identities, all of them members." default:"5000"`
	Roles       int           `help:"Roles." default:"50"`
	Assignments int           `help:"Assignments." default:"20000"`
	Clients     []int         `help:"How many ask at once; each number has its turns." default:"16,64"`
	Turns       int           `help:"How often each thing is measured." default:"5"`
	Duration    time.Duration `help:"How long each time." default:"1s"`
	Writes      int           `help:"How many writes another server is asked after, on PostgreSQL." default:"4000"`
	Many        int           `help:"Environments among which questions are spread, beside one alone." default:"50"`
	Postgres    string        `help:"URL of an empty PostgreSQL database to measure as well." placeholder:"URL"`
	Seed        uint64        `help:"Seed of the generator." default:"1"`
	JSON        bool          `name:"json" help:"Print one JSON object instead of a table."`
}

func (o Options) check() error {
	if min(o.Nodes-9, o.Identities, o.Roles, o.Assignments, o.Turns, o.Writes, o.Many, len(o.Clients)) < 1 {
		return errors.New("the smallest world has 10 nodes, and one of everything else")
	}
	if o.Assignments > o.Identities*o.Roles*o.Nodes/2 {
		return fmt.Errorf("%d assignments do not fit into this world", o.Assignments)
	}
	return nil
}

// Run makes a world in a store of each kind, measures in turns, and writes the report to out
// and its progress to progress. It leaves nothing of SQLite's behind.
func Run(ctx context.Context, o Options, out, progress io.Writer) error {
	if err := o.check(); err != nil {
		return err
	}
	logf := func(format string, args ...any) { fmt.Fprintf(progress, format+"\n", args...) }
	r := &Report{World: o, CPUs: runtime.NumCPU(), Go: runtime.Version()}
	urls := []string{""}
	if o.Postgres != "" {
		urls = append(urls, o.Postgres)
	}
	var stands []*stand
	defer func() {
		for _, s := range stands {
			s.close()
		}
	}()
	for _, url := range urls {
		s, err := open(ctx, o, url)
		stands = append(stands, s)
		if err != nil {
			return err
		}
		logf("%s: making %d nodes, %d identities and %d assignments", s.engine, o.Nodes, o.Identities, o.Assignments)
		if err := s.fill(ctx); err != nil {
			return err
		}
	}
	bare, err := newBare(ctx, stands[0])
	if err != nil {
		return err
	}
	defer bare.close()
	b := &bench{o: o, bare: bare, stands: stands, report: r, logf: logf}
	if err := b.all(ctx); err != nil {
		return err
	}
	return r.print(out)
}

// bench measures.
type bench struct {
	o      Options
	bare   *bare
	stands []*stand
	report *Report
	logf   func(string, ...any)
}

// all measures each thing with all others of its kind in turns.
func (b *bench) all(ctx context.Context) error {
	for _, n := range b.o.Clients {
		if err := b.rates(ctx, n); err != nil {
			return err
		}
	}
	if err := b.inProcess(ctx); err != nil {
		return err
	}
	for _, s := range b.stands {
		for _, step := range []func(context.Context, *stand) error{
			b.bulk, b.one, b.besideWrites, b.elsewhere, b.previews,
		} {
			if err := step(ctx, s); err != nil {
				return err
			}
		}
	}
	return nil
}

// rates counts answers a second: of the bare handler, of nothing, of decisions of one
// Environment and of many, on each store.
func (b *bench) rates(ctx context.Context, clients int) error {
	type series struct {
		name    string
		load    load
		proofs  func() uint64
		rates   []float64
		perturn []float64 // reads of revisions a second
		all     times
	}
	list := []*series{{name: "bare net/http", load: b.bare.load}}
	for _, s := range b.stands {
		list = append(list,
			&series{name: s.engine + ": nothing", load: s.nothing},
			&series{name: s.engine + ": evaluate", load: s.evaluate, proofs: s.server.Proofs},
			&series{
				name: fmt.Sprintf("%s: evaluate in %d Environments", s.engine, b.o.Many), load: s.spread,
				proofs: s.server.Proofs,
			})
	}
	for turn := range b.o.Turns {
		b.logf("%d clients, turn %d of %d", clients, turn+1, b.o.Turns)
		for _, x := range list {
			before := uint64(0)
			if x.proofs != nil {
				before = x.proofs()
			}
			m, err := x.load.flood(ctx, clients, b.o.Duration)
			if err != nil {
				return fmt.Errorf("%s: %w", x.name, err)
			}
			x.rates = append(x.rates, m.rate)
			x.all = append(x.all, m.times...)
			if x.proofs != nil {
				x.perturn = append(x.perturn, float64(x.proofs()-before)/m.took.Seconds())
			}
		}
	}
	for _, x := range list {
		row := Row{Name: x.name, Clients: clients, PerSecond: median(x.rates), P50: x.all.at(0.5), P99: x.all.at(0.99)}
		row.OfBare = median(ratios(x.rates, list[0].rates))
		for _, y := range list {
			if y.name == stem(x.name)+": nothing" {
				row.OfNothing = median(ratios(x.rates, y.rates))
			}
			if y.name == "sqlite"+x.name[len(stem(x.name)):] && stem(x.name) == "postgres" {
				row.OfSQLite = median(ratios(x.rates, y.rates))
			}
		}
		row.Proofs = median(x.perturn)
		b.report.Rows = append(b.report.Rows, row)
	}
	return nil
}

// bulk asks a thousand questions a call.
func (b *bench) bulk(ctx context.Context, s *stand) error {
	for _, clients := range []int{1, 4} {
		var rates []float64
		var all times
		for range b.o.Turns {
			m, err := s.bulk.flood(ctx, clients, b.o.Duration)
			if err != nil {
				return err
			}
			rates, all = append(rates, m.rate*bulkSize), append(all, m.times...)
		}
		b.report.Rows = append(b.report.Rows, Row{
			Name: s.engine + ": decisions in bulk of 1000", Clients: clients, PerSecond: median(rates),
			P50: all.at(0.5), P99: all.at(0.99),
		})
	}
	return nil
}

// one asks one question after the other.
func (b *bench) one(ctx context.Context, s *stand) error {
	for _, q := range []struct {
		name string
		load load
	}{
		{"evaluate", s.evaluate},
		{"explain", s.explain},
		{"permissions of an identity", s.held},
		{"accessible-nodes, first page", s.accessible},
		{"who-can, first page", s.whoCan},
	} {
		m, err := q.load.flood(ctx, 1, b.o.Duration)
		if err != nil {
			return fmt.Errorf("%s: %w", q.name, err)
		}
		b.report.Rows = append(b.report.Rows, Row{
			Name: s.engine + ": " + q.name, Clients: 1, PerSecond: m.rate, P50: m.times.at(0.5), P99: m.times.at(0.99),
		})
	}
	return nil
}

// besideWrites asks while assignments are given and taken.
func (b *bench) besideWrites(ctx context.Context, s *stand) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	written, failed := 0, make(chan error, 1)
	go task.Try(ctx, s.log, "writes", func() {
		var err error
		for ctx.Err() == nil && err == nil {
			if err = s.giveAndTake(ctx, written); err == nil {
				written += 2
			}
		}
		failed <- err
	})
	m, err := s.evaluate.flood(ctx, b.o.Clients[0], time.Duration(b.o.Turns)*b.o.Duration)
	stop()
	if wrote := <-failed; err == nil && wrote != nil && !errors.Is(wrote, context.Canceled) {
		err = wrote
	}
	b.report.Rows = append(b.report.Rows, Row{
		Name: s.engine + ": evaluate beside writes", Clients: b.o.Clients[0], PerSecond: m.rate,
		P50: m.times.at(0.5), P99: m.times.at(0.99), Writes: float64(written) / m.took.Seconds(),
	})
	return err
}
