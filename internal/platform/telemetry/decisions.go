package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Decisions is the state of what decisions are made from, and what was done for it so far.
type Decisions struct {
	Bytes, Environments int
	Oldest              time.Duration // since the least recently proven one was
	Loading             time.Duration

	Loads, Failures, Rebuilds, Changes, Evictions, Waits, Proofs uint64
}

// decisions asks once for all of its numbers, which are of one moment.
type decisions struct{ read func() Decisions }

// number is one of them.
type number struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(Decisions) float64
}

var decisionNumbers = []number{
	decided("memory_bytes", "Memory that the held Environments take, about.", prometheus.GaugeValue,
		func(d Decisions) float64 { return float64(d.Bytes) }),
	decided("environments", "Environments that are held.", prometheus.GaugeValue,
		func(d Decisions) float64 { return float64(d.Environments) }),
	decided("age_seconds", "Time since the least recently proven of them was known to be current.", prometheus.GaugeValue,
		func(d Decisions) float64 { return d.Oldest.Seconds() }),
	decided("loads_total", "Environments that were read from the database as a whole.", prometheus.CounterValue,
		func(d Decisions) float64 { return float64(d.Loads) }),
	decided("load_seconds_total", "Time that took.", prometheus.CounterValue,
		func(d Decisions) float64 { return d.Loading.Seconds() }),
	decided("load_failures_total", "Tries to do so that failed.", prometheus.CounterValue,
		func(d Decisions) float64 { return float64(d.Failures) }),
	decided("rebuilds_total", "Loads of what was held, but could not be followed.", prometheus.CounterValue,
		func(d Decisions) float64 { return float64(d.Rebuilds) }),
	decided("changes_total", "Changes that were followed.", prometheus.CounterValue,
		func(d Decisions) float64 { return float64(d.Changes) }),
	decided("evictions_total", "Environments that were let go of for want of memory.", prometheus.CounterValue,
		func(d Decisions) float64 { return float64(d.Evictions) }),
	decided("waits_total", "Questions that waited for a proof or a load.", prometheus.CounterValue,
		func(d Decisions) float64 { return float64(d.Waits) }),
	decided("proofs_total", "Reads of revisions, each for all who waited for it.", prometheus.CounterValue,
		func(d Decisions) float64 { return float64(d.Proofs) }),
}

func decided(name, help string, kind prometheus.ValueType, of func(Decisions) float64) number {
	return number{prometheus.NewDesc("canopy_decision_"+name, help, nil, nil), kind, of}
}

// Describe implements prometheus.Collector.
func (decisions) Describe(ch chan<- *prometheus.Desc) {
	for _, n := range decisionNumbers {
		ch <- n.desc
	}
}

// Collect implements prometheus.Collector.
func (d decisions) Collect(ch chan<- prometheus.Metric) {
	now := d.read()
	for _, n := range decisionNumbers {
		ch <- prometheus.MustNewConstMetric(n.desc, n.kind, n.of(now))
	}
}
