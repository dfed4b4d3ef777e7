package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/access/apikey"
	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/decide/oracle"
	"canopy.dev/canopy/internal/access/decision"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// verifier asks a running server, and judges its answers by an evaluator that shares no code
// with its engine, from rows of the revision that the answers are of.
type verifier struct {
	db       *database.DB
	url, key string
	in       scope.Environment
	progress io.Writer

	rows   *rowsAt
	reread int // times in a row that the revision has moved
	asked  int
	told   time.Time
}

// rowsAt are the rows of the Environment at one revision.
type rowsAt struct {
	*oracle.World
	revision    uint64
	keys        []string
	nodes       []id.ID
	people      []id.ID
	assignments map[id.ID]map[oracle.Key]decide.Assignment // by identity
}

const (
	verifyAtOnce = 1000 // questions of one call
	// mostMoves is how often in a row the Environment may change between rows and answers.
	mostMoves = 200
	// clockSlack is how far the server's clock may be from this one's.
	clockSlack = time.Second
)

// newVerifier finds the Environment of an API key that may ask.
func newVerifier(ctx context.Context, db *database.DB, url, key string, progress io.Writer) (*verifier, error) {
	keys := &apikey.Service{DB: db, Prover: &revision.Prover{DB: db}}
	who, err := keys.Authenticate(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("--api-key-file: %w", err)
	}
	of, is := who.(principal.Key)
	if !is {
		return nil, errors.New("--api-key-file does not hold an API key")
	}
	return &verifier{db: db, url: url, key: key, in: of.Environment, progress: progress}, nil
}

// read reads the rows anew.
func (v *verifier) read(ctx context.Context) error {
	var raw oracle.RawRows
	at, err := decision.Rows(ctx, v.db, v.in, &raw)
	if err != nil {
		return err
	}
	r := &rowsAt{World: raw.World(), revision: at}
	r.assignments = map[id.ID]map[oracle.Key]decide.Assignment{}
	for key := range r.Permissions {
		r.keys = append(r.keys, key)
	}
	for of := range r.Nodes {
		r.nodes = append(r.nodes, of)
	}
	for of := range r.Members {
		r.people = append(r.people, of)
	}
	for of, a := range r.Assignments {
		if r.assignments[of.Identity] == nil {
			r.assignments[of.Identity] = map[oracle.Key]decide.Assignment{}
		}
		r.assignments[of.Identity][of] = a
	}
	slices.Sort(r.keys)
	byID := func(a, b id.ID) int { return bytes.Compare(a[:], b[:]) }
	slices.SortFunc(r.nodes, byID)
	slices.SortFunc(r.people, byID)
	v.rows = r
	return nil
}

// judge is the decision by the rows.
func (r *rowsAt) judge(q decide.Question, now time.Time) decide.Decision {
	own := *r.World
	own.Assignments = r.assignments[q.Identity] // all others say nothing
	return own.Evaluate(q, decide.Instant(now.UnixMicro()))
}

// all yields every question there is about the rows, until yield says no.
func (r *rowsAt) all(yield func(decide.Question) bool) {
	for _, who := range r.people {
		for _, key := range r.keys {
			q := decide.Question{Identity: who, Permission: key, Scope: decide.AppWide}
			if !yield(q) {
				return
			}
			for _, q.Node = range r.nodes {
				if q.Scope = decide.AtNode; !yield(q) {
					return
				}
			}
		}
	}
}

// some yields questions at random: many about places where the person holds something, some
// about what is not there.
func (r *rowsAt) some(n int) func(yield func(decide.Question) bool) {
	rnd := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0)) //nolint:gosec // a sample
	oneOf := func(list []id.ID) id.ID {
		if len(list) == 0 || rnd.IntN(50) == 0 {
			return id.New[id.ID](time.Now())
		}
		return list[rnd.IntN(len(list))]
	}
	return func(yield func(decide.Question) bool) {
		for range n {
			q := decide.Question{Identity: oneOf(r.people), Permission: "not.there", Node: oneOf(r.nodes)}
			if len(r.keys) > 0 && rnd.IntN(50) > 0 {
				q.Permission = r.keys[rnd.IntN(len(r.keys))]
			}
			for _, a := range r.assignments[q.Identity] { // any one
				if granted := r.Roles[a.Role].Permissions; len(granted) > 0 && rnd.IntN(2) == 0 {
					q.Permission = granted[rnd.IntN(len(granted))]
				}
				if rnd.IntN(2) == 0 {
					q.Node = a.Node
				}
				break
			}
			if rnd.IntN(10) == 0 {
				q.Scope, q.Node = decide.AppWide, id.ID{}
			}
			if !yield(q) {
				return
			}
		}
	}
}

// run verifies a number of questions, or all there are (0). The error tells the first that was
// answered wrongly.
func (v *verifier) run(ctx context.Context, sample int) error {
	if err := v.read(ctx); err != nil {
		return err
	}
	questions, of := v.rows.all, len(v.rows.people)*len(v.rows.keys)*(len(v.rows.nodes)+1)
	if sample > 0 {
		questions, of = v.rows.some(sample), sample
	}
	var failed error
	piece := make([]decide.Question, 0, verifyAtOnce)
	flush := func() bool {
		if failed = v.verify(ctx, piece); failed != nil {
			return false
		}
		v.asked += len(piece)
		piece = piece[:0]
		if time.Since(v.told) > 2*time.Second {
			v.told = time.Now()
			fmt.Fprintf(v.progress, "%d of %d questions\n", v.asked, of)
		}
		return true
	}
	for q := range questions {
		if piece = append(piece, q); len(piece) == verifyAtOnce && !flush() {
			return failed
		}
	}
	if len(piece) > 0 {
		flush()
	}
	return failed
}

// verify asks some questions in one call, again and again until rows and answers are of one
// revision.
func (v *verifier) verify(ctx context.Context, list []decide.Question) error {
	for {
		began := time.Now()
		answers, at, err := v.ask(ctx, list)
		if err != nil {
			return err
		}
		if at != v.rows.revision {
			if v.reread++; v.reread > mostMoves {
				return errors.New("the Environment does not stand still: try again when less is written")
			}
			if err := v.read(ctx); err != nil {
				return err
			}
			continue
		}
		v.reread = 0
		for i, q := range list {
			early, late := v.rows.judge(q, began.Add(-clockSlack)), v.rows.judge(q, time.Now().Add(clockSlack))
			if !answers[i].is(early) && !answers[i].is(late) {
				return differs(q, answers[i], late, at)
			}
		}
		return nil
	}
}

// answered is an answer of the server.
type answered struct {
	Allowed bool     `json:"allowed"`
	Roles   []string `json:"granting_roles"`
	Reason  string   `json:"denial_reason"`
}

func (a answered) is(d decide.Decision) bool {
	return a.Allowed == d.Allowed && a.Reason == d.Reason.String() && slices.Equal(a.Roles, d.GrantingRoles)
}

func differs(q decide.Question, a answered, d decide.Decision, at uint64) error {
	where := "anywhere"
	if q.Scope == decide.AtNode {
		where = "at node " + q.Node.String()
	}
	return fmt.Errorf("identity %s, %s, %s at revision %d: the server answers allowed=%t %s %q, "+
		"the rows say allowed=%t %s %q", q.Identity, q.Permission, where, at, a.Allowed, a.Reason, a.Roles,
		d.Allowed, d.Reason, d.GrantingRoles)
}

// ask asks the server, and gives the answers and their revision.
func (v *verifier) ask(ctx context.Context, list []decide.Question) ([]answered, uint64, error) {
	type check struct {
		Identity   id.ID  `json:"identity_id"`
		Permission string `json:"permission"`
		Scope      string `json:"scope"`
		Node       *id.ID `json:"node_id,omitempty"`
	}
	var body struct {
		Checks []check `json:"checks"`
	}
	for _, q := range list {
		c := check{q.Identity, q.Permission, "app_wide", nil}
		if q.Scope == decide.AtNode {
			c.Scope, c.Node = "node", new(q.Node)
		}
		body.Checks = append(body.Checks, c)
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, 0, err
	}
	where := v.url + "/api/v1/permissions/evaluate/bulk"
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, where, bytes.NewReader(raw))
	if err != nil {
		return nil, 0, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-API-Key", v.key)
	client := http.Client{Timeout: time.Minute}
	res, err := client.Do(r)
	if err != nil {
		return nil, 0, err
	}
	defer res.Body.Close()
	raw, err = io.ReadAll(io.LimitReader(res.Body, 64<<20))
	if err != nil {
		return nil, 0, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, 0, fmt.Errorf("the server answers %d: %.300s", res.StatusCode, raw)
	}
	var answer struct {
		Items []answered `json:"items"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return nil, 0, err
	}
	at, err := strconv.ParseUint(res.Header.Get("Canopy-Revision"), 10, 64)
	if err == nil && len(answer.Items) != len(list) {
		err = fmt.Errorf("%d questions got %d answers", len(list), len(answer.Items))
	}
	return answer.Items, at, err
}
