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

// Row is what was measured of one thing. Shares are medians of the shares of turns; 0 where
// there is nothing to compare with.
type Row struct {
	Name      string  `json:"name"`
	Clients   int     `json:"clients"`
	PerSecond float64 `json:"per_second"`
	P50       float64 `json:"p50_us"` // of an answer, in microseconds
	P99       float64 `json:"p99_us"`

	OfBare    float64 `json:"of_bare,omitempty"`    // share of the rate of the bare handler
	OfNothing float64 `json:"of_nothing,omitempty"` // share of that of the handler that does nothing
	OfSQLite  float64 `json:"of_sqlite,omitempty"`  // share of that of the same on SQLite
	Proofs    float64 `json:"proofs,omitempty"`     // reads of revisions a second
	Writes    float64 `json:"writes,omitempty"`     // writes a second beside it
}

func (r *Report) print(out io.Writer) error {
	if r.World.JSON {
		r.World.Postgres = ""
		return json.MarshalWrite(out, r)
	}
	fmt.Fprintf(out, "%d CPUs, %s; %d nodes, %d identities, %d roles, %d assignments; medians of %d turns of %v\n\n",
		r.CPUs, r.Go, r.World.Nodes, r.World.Identities, r.World.Roles, r.World.Assignments, r.World.Turns, r.World.Duration)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tclients\tper second\tp50 µs\tp99 µs\tof bare\tof nothing\tof SQLite\tproofs/s\twrites/s\t")
	for _, x := range r.Rows {
		fmt.Fprintf(t, "%s\t%d\t%.0f\t%.0f\t%.0f\t%s\t%s\t%s\t%s\t%s\t\n", x.Name, x.Clients, x.PerSecond, x.P50, x.P99,
			share(x.OfBare), share(x.OfNothing), share(x.OfSQLite), count(x.Proofs), count(x.Writes))
	}
	return t.Flush()
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
