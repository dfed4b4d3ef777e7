// Package decidebench measures package decide in a generated environment. The
// command "canopy bench decide" runs it.
package decidebench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"text/tabwriter"
	"time"

	"canopy.dev/canopy/internal/access/decide"
)

// Options are what to generate and how long to measure. Equal options generate
// equal environments.
type Options struct {
	Nodes           int           `help:"Nodes of the tree." default:"10000"`
	Levels          int           `help:"Levels of the tree." default:"7"`
	Identities      int           `help:"Identities, all of them members." default:"10000"`
	Roles           int           `help:"Roles." default:"50"`
	Permissions     int           `help:"Permissions in the catalog." default:"200"`
	RolePermissions int           `help:"Permissions of each role." default:"20"`
	Assignments     int           `help:"Assignments." default:"50000"`
	Windowed        float64       `help:"Share of the assignments that have a time window." default:"0.1"`
	Seed            uint64        `help:"Seed of the generator." default:"1"`
	Duration        time.Duration `help:"How long to measure throughput, and then latency." default:"1s"`
	JSON            bool          `name:"json" help:"Print one JSON object instead of a table."`

	Dist string `help:"Assign roles evenly over all nodes, or over all levels." enum:"uniform,level" default:"uniform"`
}

// Report is the result of a run, as printed with the option JSON.
type Report struct {
	World   Options  `json:"world"`
	Machine Machine  `json:"machine"`
	Results []Result `json:"results"`
	Memory  Memory   `json:"memory"`
}

// MarshalJSON names the fields after the flags that set them.
func (o Options) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]any{
		"nodes": o.Nodes, "levels": o.Levels, "identities": o.Identities, "roles": o.Roles,
		"permissions": o.Permissions, "role_permissions": o.RolePermissions, "assignments": o.Assignments,
		"windowed": o.Windowed, "dist": o.Dist, "seed": o.Seed,
	})
}

// Machine is the machine of the run.
type Machine struct {
	OS    string `json:"os"`
	Arch  string `json:"arch"`
	CPUs  int    `json:"cpus"`
	Cores int    `json:"cores"` // that the run used
	Go    string `json:"go"`
}

// Memory is what the snapshot takes, in bytes. Heap is how much the heap grew when
// it was built. The others are sums over its structures.
type Memory struct {
	Heap          uint64           `json:"heap_bytes"`
	Total         int              `json:"structures_bytes"`
	PerAssignment float64          `json:"bytes_per_assignment"`
	PerNode       float64          `json:"bytes_per_node"`
	PerIdentity   float64          `json:"bytes_per_identity"`
	Structures    decide.Footprint `json:"structures"`
}

func (o Options) check() error {
	switch {
	case o.Nodes < 10 || o.Levels < 3 || o.Identities < 1 || o.Roles < 1 || o.Permissions < 1 || o.Assignments < 1:
		return errors.New("the smallest world has 10 nodes on 3 levels, and one of everything else")
	case o.RolePermissions < 1 || o.RolePermissions > o.Permissions:
		return fmt.Errorf("a role has 1 to %d permissions, not %d", o.Permissions, o.RolePermissions)
	case o.Windowed < 0 || o.Windowed > 1:
		return fmt.Errorf("the share of windows is between 0 and 1, not %v", o.Windowed)
	case o.Dist != "uniform" && o.Dist != "level":
		return fmt.Errorf("the distribution is uniform or level, not %q", o.Dist)
	case 2*o.Assignments > o.Identities*o.Nodes*o.Roles:
		return fmt.Errorf("%d assignments do not fit into this world", o.Assignments)
	}
	return nil
}

// Run generates the environment, measures, and writes the report to out and its
// progress to progress. It ends early when ctx does.
func Run(ctx context.Context, o Options, out, progress io.Writer) error {
	if err := o.check(); err != nil {
		return err
	}
	logf := func(format string, args ...any) { fmt.Fprintf(progress, format+"\n", args...) }
	logf("generating %d nodes, %d identities, %d assignments", o.Nodes, o.Identities, o.Assignments)
	w := generate(o)

	empty := heap()
	s, build := measureBuild(w, func(done, all int) {
		fmt.Fprintf(progress, "\rbuilding %3d%%", 100*done/all)
	})
	logf("\rbuilding 100%%")
	full := heap()

	report := Report{
		World: o,
		Machine: Machine{
			OS: runtime.GOOS, Arch: runtime.GOARCH, Go: runtime.Version(),
			CPUs: runtime.NumCPU(), Cores: runtime.GOMAXPROCS(0),
		},
		Memory: memory(s, full-empty),
	}
	b := &bench{world: w, snapshot: s, logf: logf}
	b.all(ctx)
	b.results = append(b.results, build)
	report.Results = b.results
	if err := ctx.Err(); err != nil {
		return err
	}
	if o.JSON {
		return json.NewEncoder(out).Encode(report)
	}
	return report.print(out)
}

// heap returns the bytes in use after a collection.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func memory(s *decide.Snapshot, heap uint64) Memory {
	f, n := s.Footprint(), s.Counts()
	return Memory{
		Heap: heap, Total: f.Total(), Structures: f,
		PerAssignment: float64(f.AllAssignments()) / float64(n.Assignments),
		PerNode:       float64(f.Nodes()) / float64(n.Nodes),
		PerIdentity:   float64(f.Identities()) / float64(n.Members),
	}
}

// measureBuild builds the snapshot once, on one core. An operation is a row.
// Generating the rows is not part of the time.
func measureBuild(w *world, step func(done, all int)) (*decide.Snapshot, Result) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var b timedBuilder
	rows := w.writeTo(&b, step)
	s := b.build()
	runtime.ReadMemStats(&after)
	each := float64(b.spent.Nanoseconds()) / float64(rows)
	return s, Result{
		Name: "build", Cores: 1, P50: each, P99: each, P999: each, OpsPerS: float64(rows) / b.spent.Seconds(),
		AllocsPerOp: per(after.Mallocs-before.Mallocs, rows), BytesPerOp: per(after.TotalAlloc-before.TotalAlloc, rows),
	}
}

// A timedBuilder collects some rows before it passes them to the builder, and
// measures how long the builder takes.
type timedBuilder struct {
	decide.Builder
	nodes       []decide.Node
	members     []decide.Member
	assignments []decide.Assignment
	spent       time.Duration
}

const timedRows = 4096

func (b *timedBuilder) Node(n decide.Node) {
	if b.nodes = append(b.nodes, n); len(b.nodes) == timedRows {
		b.flush()
	}
}

func (b *timedBuilder) Member(m decide.Member) {
	if b.members = append(b.members, m); len(b.members) == timedRows {
		b.flush()
	}
}

func (b *timedBuilder) Assignment(a decide.Assignment) {
	if b.assignments = append(b.assignments, a); len(b.assignments) == timedRows {
		b.flush()
	}
}

func (b *timedBuilder) flush() {
	begin := time.Now()
	for _, n := range b.nodes {
		b.Builder.Node(n)
	}
	for _, m := range b.members {
		b.Builder.Member(m)
	}
	for _, a := range b.assignments {
		b.Builder.Assignment(a)
	}
	b.spent += time.Since(begin)
	b.nodes, b.members, b.assignments = b.nodes[:0], b.members[:0], b.assignments[:0]
}

func (b *timedBuilder) build() *decide.Snapshot {
	b.flush()
	begin := time.Now()
	s, problems := b.Build(1)
	b.spent += time.Since(begin)
	if len(problems) > 0 {
		panic(fmt.Sprintf("decidebench: the generated rows contradict each other: %+v", problems[0]))
	}
	return s
}

func (r *Report) print(out io.Writer) error {
	m, o := r.Machine, r.World
	fmt.Fprintf(out, "%s/%s, %d of %d cores, %s\n", m.OS, m.Arch, m.Cores, m.CPUs, m.Go)
	fmt.Fprintf(out, "%d nodes on %d levels, %d identities, %d roles of %d of %d permissions, ",
		o.Nodes, o.Levels, o.Identities, o.Roles, o.RolePermissions, o.Permissions)
	fmt.Fprintf(out, "%d assignments (%s, %.0f%% with a window), seed %d\n\n",
		o.Assignments, o.Dist, 100*o.Windowed, o.Seed)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tcores\tp50\tp99\tp99.9\tper second\tallocs\tbytes\t")
	for _, x := range r.Results {
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\t%.0f\t%.2f\t%.0f\t\n",
			x.Name, x.Cores, duration(x.P50), duration(x.P99), duration(x.P999), x.OpsPerS, x.AllocsPerOp, x.BytesPerOp)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	f := r.Memory.Structures
	fmt.Fprintf(out, "\nheap %.1f MB, of that in structures %.1f MB\n", mb(int(r.Memory.Heap)), mb(r.Memory.Total))
	fmt.Fprintf(out, "%.1f bytes a node:       ids %.1f MB, parents %.1f MB, children %.1f MB, index %.1f MB\n",
		r.Memory.PerNode, mb(f.NodeIDs), mb(f.NodeParents), mb(f.NodeChildren), mb(f.NodeIndex))
	fmt.Fprintf(out, "%.1f bytes an identity:  records %.1f MB, index %.1f MB\n",
		r.Memory.PerIdentity, mb(f.Members), mb(f.MemberIndex))
	_, err := fmt.Fprintf(out, "%.1f bytes an assignment: rows %.1f MB, by node %.1f MB, by role %.1f MB\n",
		r.Memory.PerAssignment, mb(f.Assignments), mb(f.MembersByNode), mb(f.MembersByRole))
	return err
}

func mb(bytes int) float64 { return float64(bytes) / 1e6 }

func duration(ns float64) string {
	switch {
	case ns < 1e3:
		return fmt.Sprintf("%.0f ns", ns)
	case ns < 1e6:
		return fmt.Sprintf("%.1f µs", ns/1e3)
	}
	return fmt.Sprintf("%.2f ms", ns/1e6)
}
