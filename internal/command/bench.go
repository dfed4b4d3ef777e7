package command

import (
	"context"

	"canopy.dev/canopy/internal/access/decide/decidebench"
	"canopy.dev/canopy/internal/server/serverbench"
)

type benchCmd struct {
	Decide   benchDecide   `cmd:"" help:"Measure the decision engine on a generated world."`
	Evaluate benchEvaluate `cmd:"" help:"Measure decisions of a whole server, over HTTP, on a world made by the API."`
}

type benchDecide struct {
	decidebench.Options `embed:""`
}

// Run measures and prints.
func (v *benchDecide) Run(ctx context.Context, e *environment) error {
	return decidebench.Run(ctx, v.Options, e.Stdout, e.Stderr)
}

type benchEvaluate struct {
	serverbench.Options `embed:""`
}

// Run measures and prints.
func (v *benchEvaluate) Run(ctx context.Context, e *environment) error {
	return serverbench.Run(ctx, v.Options, e.Stdout, e.Stderr)
}
