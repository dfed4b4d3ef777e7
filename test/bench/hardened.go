package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"canopy.dev/canopy/internal/platform/database"
)

const loginPath = "/v1/auth/login"

func loginBody(email, password string) string {
	return fmt.Sprintf(`{"email":%q,"password":%q}`, email, password)
}

// benchMemory asks what strangers' requests take, the hash apart: bytes allocated for one,
// of those one after the other, and resident memory when many are there at once.
func benchMemory(ctx context.Context, o options, engine database.Engine) error {
	metrics, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	i, err := running(ctx, o, engine, "CANOPY_METRICS_ADDR="+metrics)
	if err != nil {
		return err
	}
	defer i.close()
	unknown := func(n int) string {
		var b strings.Builder
		for k := range n {
			fmt.Fprintf(&b, `"f%d":1,`, k)
		}
		return `{` + b.String() + `"email":"x"}`
	}
	bodies := []struct{ what, body string }{
		{"95,000 unknown fields", unknown(95_000)},
		{"16 KiB of unknown fields", unknown(1_500)},
		{"16 KiB of nesting", `{"email":` + strings.Repeat("[", 8_000) + strings.Repeat("]", 8_000) + `}`},
		{"16 KiB in one string", `{"email":"` + strings.Repeat("a", 16_000) + `","password":"x"}`},
		{"16 KiB of escapes", `{"email":"` + strings.Repeat(`\u0001`, 2_600) + `"}`},
	}
	for _, b := range bodies {
		const n = 50
		before, err := allocated(ctx, metrics)
		if err != nil {
			return err
		}
		status := 0
		for range n {
			// A server that refuses a large body may cut the connection.
			status, _, _ = i.call(ctx, http.MethodPost, loginPath, b.body)
		}
		after, err := allocated(ctx, metrics)
		if err != nil {
			return err
		}
		fmt.Printf("%-26s %3d   %6.0f KB allocated for one request\n", b.what, status, (after-before)/n/1e3)
	}
	if err := i.signIn(ctx); err != nil {
		return err
	}
	rows := `{"invites":[` + strings.TrimSuffix(strings.Repeat("{},", 2_500_000), ",") + `]}`
	before, err := i.resident()
	if err != nil {
		return err
	}
	fmt.Printf("8 of 7.5 MB of empty rows at once, signed in: %s, ", together(8, func(int) int {
		status, _, _ := i.call(ctx, http.MethodPost, i.account("/user-invites/bulk-create"), rows)
		return status
	}))
	after, err := i.resident()
	if err != nil {
		return err
	}
	fmt.Printf("resident %.1f → %.1f MB\n", float64(before)/1e6, float64(after)/1e6)
	for _, n := range []int{40, 200} {
		before, err := i.resident()
		if err != nil {
			return err
		}
		var wg sync.WaitGroup
		for range n {
			wg.Go(func() { _, _, _ = i.call(ctx, http.MethodPost, loginPath, bodies[0].body) })
		}
		wg.Wait()
		after, err := i.resident()
		if err != nil {
			return err
		}
		fmt.Printf("%d of the first at once: resident %.1f → %.1f MB\n", n, float64(before)/1e6, float64(after)/1e6)
	}
	return nil
}

var allocs = regexp.MustCompile(`(?m)^go_memstats_alloc_bytes_total (\S+)$`)

// allocated is what the server has allocated since its start, in bytes.
func allocated(ctx context.Context, metrics string) (float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+metrics+"/metrics", http.NoBody)
	if err != nil {
		return 0, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err
	}
	found := allocs.FindSubmatch(raw)
	if found == nil {
		return 0, fmt.Errorf("no such metric in %d bytes", len(raw))
	}
	return strconv.ParseFloat(string(found[1]), 64)
}

func freeAddress(ctx context.Context) (string, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}

// benchFlood asks how somebody signs in while a stranger's 80 connections try the
// password of an unproven sign-up, with the limits and without that of the IP.
func benchFlood(ctx context.Context, o options, engine database.Engine) error {
	for _, limits := range []string{"sign_up=off", "sign_up=off,sign_in_ip=off"} {
		i, err := newInstance(ctx, o, engine, "CANOPY_RATE_LIMITS="+limits, "CANOPY_TRUSTED_PROXIES=127.0.0.1")
		if err != nil {
			return err
		}
		if err := flood(ctx, i, limits, o.duration); err != nil {
			i.close()
			return err
		}
		i.close()
	}
	return nil
}

func flood(ctx context.Context, i *instance, limits string, d time.Duration) error {
	if _, err := i.start(ctx); err != nil {
		return err
	}
	const stranger, victim = "198.51.100.1", "203.0.113.5"
	status, raw, err := i.call(ctx, http.MethodPost, "/v1/auth/register", fmt.Sprintf(
		`{"email":"s@evil.test","password":%q,"first_name":"S","last_name":"T","account_name":"E","application_name":"E"}`,
		password))
	if err != nil || status != http.StatusCreated {
		return fmt.Errorf("register answers %d: %s, %w", status, raw, err)
	}
	i.http.Transport = &http.Transport{MaxIdleConnsPerHost: 200}
	flooding, end := context.WithCancel(ctx)
	var wg sync.WaitGroup
	var mu sync.Mutex
	got := map[int]int{}
	for range 80 {
		wg.Go(func() {
			for flooding.Err() == nil {
				status, _, err := i.call(flooding, http.MethodPost, loginPath, loginBody("s@evil.test", password),
					"X-Forwarded-For", stranger)
				if err == nil {
					mu.Lock()
					got[status]++
					mu.Unlock()
				}
			}
		})
	}
	time.Sleep(time.Second)
	var t times
	failed := map[int]int{}
	for until := time.Now().Add(d); time.Now().Before(until); {
		began := time.Now()
		status, _, err := i.call(ctx, http.MethodPost, loginPath, loginBody(owner, password), "X-Forwarded-For", victim)
		if err != nil || status != http.StatusOK {
			failed[status]++
			continue
		}
		t = append(t, time.Since(began))
	}
	end()
	wg.Wait()
	fmt.Printf("%-28s the stranger got %v; the other %v   p95 %v   failed %v\n", limits, got, t, t.at(0.95), failed)
	return nil
}

// benchGuesses asks how many of 60 wrong passwords at once are judged, and whether 20
// right ones pass, on one process and, on PostgreSQL, on two.
func benchGuesses(ctx context.Context, o options, engine database.Engine) error {
	i, err := running(ctx, o, engine, "CANOPY_RATE_LIMITS=", "CANOPY_TRUSTED_PROXIES=127.0.0.1")
	if err != nil {
		return err
	}
	defer i.close()
	processes := []*instance{i}
	if engine == database.Postgres {
		twin, err := i.twin(ctx)
		if err != nil {
			return err
		}
		defer twin.kill()
		processes = append(processes, twin)
	}
	for n := 1; n <= len(processes); n++ {
		from := "203.0.113." + strconv.Itoa(n)
		right := together(20, func(k int) int {
			status, _, _ := processes[k%n].call(ctx, http.MethodPost, loginPath, loginBody(owner, password),
				"X-Forwarded-For", from)
			return status
		})
		wrong := together(60, func(k int) int {
			status, _, _ := processes[k%n].call(ctx, http.MethodPost, loginPath, loginBody(owner, "Wrong-Horse-7"),
				"X-Forwarded-For", from)
			return status
		})
		fmt.Printf("%d process(es): 20 right at once %v, 60 wrong at once %v\n", n, right, wrong)
	}
	return nil
}

// together calls fn n times at once and counts what it gives.
func together(n int, fn func(k int) int) string {
	var mu sync.Mutex
	var wg sync.WaitGroup
	counts := map[int]int{}
	for k := range n {
		wg.Go(func() {
			got := fn(k)
			mu.Lock()
			defer mu.Unlock()
			counts[got]++
		})
	}
	wg.Wait()
	var said []string
	for _, status := range slices.Sorted(maps.Keys(counts)) {
		said = append(said, fmt.Sprintf("%d × %d", counts[status], status))
	}
	return strings.Join(said, ", ")
}

// twin starts another process on the same database.
func (i *instance) twin(ctx context.Context) (*instance, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	other := &instance{o: i.o, url: "http://" + address, dbURL: i.dbURL, slug: i.slug, http: i.http, forget: func() {}}
	other.env = append(slices.Clone(i.env), "CANOPY_ADDR="+address)
	_, err = other.start(ctx)
	return other, err
}

// benchAlike compares the time of a wrong password for addresses that are known and that
// are not, in turns.
func benchAlike(ctx context.Context, o options, engine database.Engine) error {
	i, err := running(ctx, o, engine)
	if err != nil {
		return err
	}
	defer i.close()
	const each = 500
	var t [2]times
	for k := range 2 * each {
		email := []string{owner, "nobody@acme.test"}[k%2]
		d, err := rounds(1, func(int) error {
			return i.must(ctx, http.StatusUnauthorized, http.MethodPost, loginPath, loginBody(email, "Wrong-Horse-7"))
		})
		if err != nil {
			return err
		}
		t[k%2] = append(t[k%2], d...)
	}
	known, unknown := t[0].at(0.5), t[1].at(0.5)
	fmt.Printf("known p50 %v, unknown p50 %v: %+.2f %%, p = %.3f\n",
		known, unknown, 100*(float64(known)/float64(unknown)-1), rankTest(t[0], t[1]))
	return nil
}

// benchReady asks how long readiness takes that twenty ask for at once, and on PostgreSQL
// how soon replicas are ready that start together.
func benchReady(ctx context.Context, o options, engine database.Engine) error {
	i, err := running(ctx, o, engine)
	if err != nil {
		return err
	}
	defer i.close()
	var t times
	for range 11 {
		time.Sleep(1100 * time.Millisecond) // until the last look is over
		began := time.Now()
		if got := together(20, func(int) int {
			status, _, _ := i.call(ctx, http.MethodGet, "/readyz", "")
			return status
		}); got != "20 × 200" {
			return fmt.Errorf("readiness answers %s", got)
		}
		t = append(t, time.Since(began))
	}
	fmt.Printf("twenty at once: %v\n", t)
	if engine != database.Postgres {
		return nil
	}
	i.stop()
	var all times
	for range 5 {
		replicas := make([]*instance, 5)
		for k := range replicas {
			address, err := freeAddress(ctx)
			if err != nil {
				return err
			}
			replicas[k] = &instance{o: o, url: "http://" + address, http: i.http, forget: func() {}}
			replicas[k].env = append(slices.Clone(i.env), "CANOPY_ADDR="+address)
		}
		began := time.Now()
		together(len(replicas), func(k int) int {
			_, err = replicas[k].start(ctx)
			return 0
		})
		all = append(all, time.Since(began))
		for _, r := range replicas {
			r.stop()
		}
		if err != nil {
			return err
		}
	}
	fmt.Printf("five replicas, all ready: %v\n", all)
	return nil
}
