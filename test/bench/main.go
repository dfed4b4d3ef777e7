// Command bench measures a whole Canopy, as released, on both engines: how fast
// it starts and what it takes, invites made and listed, sign-ins, what strangers
// can do to it, what its times tell them, trees of a million nodes, a world of
// people with their grants, files of the audit log, and what is left after it was killed
// under load. scripts/bench runs it with a PostgreSQL of its own; every figure is
// printed as it was measured.
//
// It is a client of the HTTP API. Where a figure is compared with "the same
// without HTTP", the room's own use case runs in this process on the same kind
// of database.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"canopy.dev/canopy/internal/platform/database"
)

// options are the command line.
type options struct {
	binary   string
	without  string // a program that records no events
	postgres string // address of a server in which databases may be made
	invites  int    // of the list benchmark, in all
	own      int    // of them in the Account that asks
	clients  int
	kills    int
	duration time.Duration
	sizes    []int           // of trees
	rows     int             // of the audit log
	world    int             // nodes, and people, of the world of people
	steps    map[string]bool // of people; none: all
}

func main() {
	var o options
	var only, engines string
	flag.StringVar(&o.binary, "canopy", "./canopy", "the program to measure")
	flag.StringVar(&o.without, "without", "", "of share: the program built to record no events")
	flag.StringVar(&o.postgres, "postgres", os.Getenv("CANOPY_TEST_POSTGRES"),
		"a PostgreSQL server in which databases may be made")
	flag.StringVar(&only, "only",
		"start,create,list,signin,forgot,memory,flood,guesses,alike,stale,ready,crash,places,people,"+
			"audit,webhooks,feed,share,exports",
		"what to measure")
	flag.StringVar(&engines, "engines", "sqlite,postgres", "on which engines")
	flag.IntVar(&o.invites, "invites", 1_000_000, "invites in the database of the lists")
	flag.IntVar(&o.own, "own", 100_000, "of these, in the Account that asks")
	flag.IntVar(&o.clients, "clients", 16, "clients at once")
	flag.IntVar(&o.kills, "kills", 20, "how often the server is killed")
	flag.DurationVar(&o.duration, "duration", 10*time.Second, "how long each rate is measured")
	flag.IntVar(&o.world, "world", 100_000, "nodes and people of the world of people, with five grants each")
	flag.IntVar(&o.rows, "rows", 1_000_000, "rows of the audit log of one Account")
	sizes := flag.String("sizes", "10000,100000,1000000", "nodes of the trees of places")
	steps := flag.String("steps", "",
		"of audit: names of filters; of people: cold,reads,lists,writes,several,imports; all when empty")
	flag.Parse()
	if *steps != "" {
		o.steps = map[string]bool{}
		for one := range strings.SplitSeq(*steps, ",") {
			o.steps[one] = true
		}
	}
	for one := range strings.SplitSeq(*sizes, ",") {
		n, err := strconv.Atoi(one)
		if err != nil || n < 1000 {
			fmt.Fprintln(os.Stderr, "bench: -sizes: numbers from 1000 on, comma-separated")
			os.Exit(2)
		}
		o.sizes = append(o.sizes, n)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, o, strings.Split(engines, ","), strings.Split(only, ","))
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type bench struct {
	name string
	run  func(context.Context, options, database.Engine) error
}

func run(ctx context.Context, o options, engines, only []string) error {
	fmt.Printf("%s/%s, %d CPUs, %s\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	benches := []bench{
		{"start", benchStart},
		{"create", benchCreate},
		{"list", benchList},
		{"signin", benchSignIn},
		{"forgot", benchForgot},
		{"memory", benchMemory},
		{"flood", benchFlood},
		{"guesses", benchGuesses},
		{"alike", benchAlike},
		{"stale", benchStale},
		{"ready", benchReady},
		{"crash", benchCrash},
		{"places", benchPlaces},
		{"people", benchPeople},
		{"audit", benchAudit},
		{"webhooks", benchWebhooks},
		{"feed", benchFeed},
		{"share", benchShare},
		{"exports", benchExports},
	}
	for _, name := range only {
		if !slices.ContainsFunc(benches, func(b bench) bool { return b.name == name }) {
			return fmt.Errorf("-only: there is no %q", name)
		}
	}
	for _, engine := range engines {
		if engine == string(database.Postgres) && o.postgres == "" {
			return errors.New("-postgres: name a PostgreSQL server, or run scripts/bench")
		}
		for _, b := range benches {
			if !slices.Contains(only, b.name) {
				continue
			}
			fmt.Printf("\n== %s on %s\n", b.name, engine)
			if err := b.run(ctx, o, database.Engine(engine)); err != nil {
				return fmt.Errorf("%s on %s: %w", b.name, engine, err)
			}
		}
	}
	return nil
}
