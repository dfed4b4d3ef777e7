package serverbench

import (
	"cmp"
	"context"
	"time"

	"canopy.dev/canopy/internal/access/apikey"
	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/decide/decidebench"
	"canopy.dev/canopy/internal/access/decision"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
)

// inProcess asks the same questions without a server: of the engine, and of the naive
// evaluation that it is compared with. The rows are the same in every store.
func (b *bench) inProcess(ctx context.Context) error {
	s := b.stands[0]
	b.logf("the same in this process")
	in, err := s.place(ctx)
	if err != nil {
		return err
	}
	list, err := decidebench.Sample{
		Rows: func(to decide.Rows) error {
			_, err := decision.Rows(ctx, s.db, in, to)
			return err
		},
		Questions: s.questions, Now: decide.Instant(time.Now().UnixMicro()), Duration: b.o.Duration,
	}.Measure(ctx)
	for _, r := range list {
		b.report.Rows = append(b.report.Rows, Row{
			Name: "in process: " + cmp.Or(titles[r.Name], r.Name), Clients: r.Cores, PerSecond: r.OpsPerS,
			P50: r.P50 / 1e3, P99: r.P99 / 1e3,
		})
	}
	return err
}

// titles are what rows of servers are called, where package decidebench has another word.
var titles = map[string]string{
	"naive_evaluate":   "naive evaluate",
	"accessible_nodes": "accessible-nodes, first page",
	"who_can":          "who-can, first page",
}

// place is the Environment of the world.
func (s *stand) place(ctx context.Context) (scope.Environment, error) {
	keys := &apikey.Service{DB: s.db, Prover: &revision.Prover{DB: s.db}}
	by, err := keys.Authenticate(ctx, s.key)
	if err != nil {
		return scope.Environment{}, err
	}
	return by.(principal.Key).Environment, nil //nolint:forcetypeassert // what an API key stands for
}
