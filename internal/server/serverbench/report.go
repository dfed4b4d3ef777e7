package serverbench

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/go-json-experiment/json"
)

// Report is the result of a run.
type Report struct {
	World Options `json:"world"`
	CPUs  int     `json:"cpus"`
	Go    string  `json:"go"`
	Rows  []Row   `json:"rows"`
}

// MarshalJSON names the fields after the flags that set them; where the databases are is nobody's
// business.
func (o Options) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]any{
		"nodes": o.Nodes, "identities": o.Identities, "roles": o.Roles, "assignments": o.Assignments,
		"clients": o.Clients, "turns": o.Turns, "duration": o.Duration.String(), "writes": o.Writes, "many": o.Many,
		"seed": o.Seed,
	}, json.Deterministic(true))
}

// Row is what was measured of one thing. Shares are medians of the shares of turns; 0 where
// there is nothing to compare with.
type Row struct {
	Name      string  `json:"name"`
	Clients   int     `json:"clients"`
	PerSecond float64 `json:"per_second"`
	P50       float64 `json:"p50_us"` // of an answer, in microseconds
	P99       float64 `json:"p99_us"`

	OfBare    float64 `json:"of_bare,omitzero"`    // share of the rate of the bare handler
	OfNothing float64 `json:"of_nothing,omitzero"` // share of that of the handler that does nothing
	OfSQLite  float64 `json:"of_sqlite,omitzero"`  // share of that of the same on SQLite
	Proofs    float64 `json:"proofs,omitzero"`     // reads of revisions a second
	Writes    float64 `json:"writes,omitzero"`     // writes a second beside it
}

func (r *Report) print(out io.Writer) error {
	if r.World.JSON {
		if err := json.MarshalWrite(out, r); err != nil {
			return err
		}
		_, err := fmt.Fprintln(out)
		return err
	}
	fmt.Fprintf(out, "%d CPUs, %s; %d nodes, %d identities, %d roles, %d assignments; medians of %d turns of %v\n\n",
		r.CPUs, r.Go, r.World.Nodes, r.World.Identities, r.World.Roles, r.World.Assignments, r.World.Turns, r.World.Duration)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tclients\tper second\tp50 µs\tp99 µs\tof bare\tof nothing\tof SQLite\tproofs/s\twrites/s\t")
	for _, x := range r.Rows {
		fmt.Fprintf(t, "%s\t%d\t%.0f\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", x.Name, x.Clients, x.PerSecond,
			micros(x.P50), micros(x.P99), share(x.OfBare), share(x.OfNothing), share(x.OfSQLite),
			count(x.Proofs), count(x.Writes))
	}
	return t.Flush()
}

// micros shows two digits at least.
func micros(v float64) string {
	if v < 10 {
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

func share(v float64) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f %%", 100*v)
}

func count(v float64) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f", v)
}
