// Package telemetry keeps Canopy's metrics in a registry of its own and serves
// them in the format of Prometheus. It knows no room: the server tells it what
// happens and where to look. Labels are route patterns, statuses and fixed words,
// never ids or addresses.
package telemetry

import (
	"context"
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Sources are asked when somebody reads the metrics.
type Sources struct {
	Version         string       // of the program
	Pool            func() Pool  // connections to the database
	PasswordWaiting func() int64 // sign-ins that wait for a turn at hashing
	PasswordDone    func() int64 // passwords hashed and compared so far
	// Decided counts the lines of the decision log: those written, and those that were dropped.
	Decided func() (written, dropped uint64)
	// Decisions tells what is held in memory to decide from.
	Decisions func() Decisions
	// Outbox counts the jobs that wait and says how long the oldest does.
	Outbox func(context.Context) (queued int, oldest time.Duration, err error)
	// Backups tells of copies on a schedule; nil where there is none.
	Backups func() Backups
}

// Pool is the state of a pool of connections.
type Pool struct {
	InUse, Idle int
	Waited      time.Duration // for a connection, in all
}

// Backups are copies that were made on a schedule.
type Backups struct {
	Last         time.Time // of the newest good one; zero without one
	Made, Failed uint64
}

// Metrics are safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
	jobs     *prometheus.CounterVec
	signIns  *prometheus.CounterVec
}

// New makes the metrics.
func New(s Sources) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "canopy_http_request_duration_seconds",
			Help:    "Answered requests by route pattern and status, and how long they took.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"route", "status"}),
		jobs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "canopy_mails_total",
			Help: "Attempts to deliver a mail, by kind and result: done, retry, dead, or dropped as no longer wanted.",
		}, []string{"kind", "result"}),
		signIns: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "canopy_sign_ins_total",
			Help: "Sign-ins with a password, by result: ok, or the code of the refusal.",
		}, []string{"result"}),
	}
	gauge := func(name, help string, read func() float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read))
	}
	gauge("canopy_password_hashes_waiting", "Passwords that wait for a turn at hashing.", func() float64 {
		return float64(s.PasswordWaiting())
	})
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "canopy_password_hashes_total",
		Help: "Passwords hashed and compared.",
	}, func() float64 { return float64(s.PasswordDone()) }))
	counter := func(name, help string, read func() float64) {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, read))
	}
	counter("canopy_decision_log_lines_total", "Decisions written to the decision log.", func() float64 {
		written, _ := s.Decided()
		return float64(written)
	})
	counter("canopy_decision_log_dropped_total", "Decisions that the decision log had to drop.", func() float64 {
		_, dropped := s.Decided()
		return float64(dropped)
	})
	gauge("canopy_database_connections_in_use", "Connections to the database that are busy.", func() float64 {
		return float64(s.Pool().InUse)
	})
	gauge("canopy_database_connections_idle", "Connections to the database that are idle.", func() float64 {
		return float64(s.Pool().Idle)
	})
	counter("canopy_database_wait_seconds_total", "Time spent waiting for a connection.", func() float64 {
		return s.Pool().Waited.Seconds()
	})
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "canopy_build_info", Help: "Which version runs; always 1.",
		ConstLabels: prometheus.Labels{"version": s.Version, "goversion": runtime.Version()},
	}, func() float64 { return 1 }))
	if s.Backups != nil {
		gauge("canopy_backup_last_success_timestamp_seconds", "When the newest good backup was made; 0 without one.",
			func() float64 {
				if last := s.Backups().Last; !last.IsZero() {
					return float64(last.Unix())
				}
				return 0
			})
		counter("canopy_backups_total", "Backups that were made on schedule.", func() float64 {
			return float64(s.Backups().Made)
		})
		counter("canopy_backup_failures_total", "Backups that failed.", func() float64 {
			return float64(s.Backups().Failed)
		})
	}
	m.registry.MustRegister(decisions{s.Decisions}, m.requests, m.jobs, m.signIns, outbox{s.Outbox},
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Request notes an answered request.
func (m *Metrics) Request(route string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Observe(took.Seconds())
}

// Mail notes the end of an attempt to deliver.
func (m *Metrics) Mail(kind, result string) { m.jobs.WithLabelValues(kind, result).Inc() }

// SignIn notes a sign-in: "ok" or a fault's code.
func (m *Metrics) SignIn(result string) { m.signIns.WithLabelValues(result).Inc() }

// Handler serves the metrics to anybody, for a listener of their own.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
}

// outbox asks the database once for both of its gauges.
type outbox struct {
	read func(context.Context) (int, time.Duration, error)
}

var (
	outboxQueued = prometheus.NewDesc("canopy_outbox_queued", "Jobs that wait to be done.", nil, nil)
	outboxOldest = prometheus.NewDesc("canopy_outbox_oldest_seconds", "How long the oldest of them has waited.", nil, nil)
)

// Describe implements prometheus.Collector.
func (outbox) Describe(ch chan<- *prometheus.Desc) { ch <- outboxQueued; ch <- outboxOldest }

// Collect implements prometheus.Collector. A database that doesn't answer takes
// these two away, and leaves the others.
func (o outbox) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	queued, oldest, err := o.read(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(outboxQueued, err)
		return
	}
	ch <- prometheus.MustNewConstMetric(outboxQueued, prometheus.GaugeValue, float64(queued))
	ch <- prometheus.MustNewConstMetric(outboxOldest, prometheus.GaugeValue, oldest.Seconds())
}
