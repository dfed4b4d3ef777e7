package arch_test

import (
	"go/ast"
	"go/types"
	"maps"
	"slices"
	"strings"
	"testing"
)

// doors: each danger, what it takes (functions and types as go/types spells
// them, or whole packages), and who may have it, with the reason.
var doors = []struct {
	danger   string
	uses     []string
	packages []string
	door     map[string]string
}{
	{
		"reading the environment",
		[]string{"os.Getenv", "os.LookupEnv", "os.Environ", "os.ExpandEnv", "os.Expand"},
		[]string{"github.com/alecthomas/kong"},
		map[string]string{
			"command":         "kong fills config's settings from flags and environment",
			"config":          "finds settings that don't exist, and lets the environment win over the file",
			"database/dbtest": "CANOPY_TEST_POSTGRES names the server of the tests",
		},
	},
	{
		"opening a database",
		[]string{"database/sql.Open", "database/sql.OpenDB"},
		[]string{
			"github.com/jackc/pgx/v5", "github.com/jackc/pgx/v5/pgxpool",
			"github.com/jackc/pgx/v5/stdlib", "github.com/jackc/pgx/v5/pgconn", "modernc.org/sqlite",
			"github.com/pressly/goose/v3", "github.com/pressly/goose/v3/lock",
		},
		map[string]string{
			"database":        "is that door",
			"database/dbtest": "makes and drops the tests' databases",
		},
	},
	{"speaking to a database past package database", nil, []string{"database/sql"}, map[string]string{
		"database":        "is that door",
		"database/dbtest": "makes and drops the tests' databases",
	}},
	{
		"sending mail", nil,
		[]string{
			"net/smtp", "github.com/wneessen/go-mail", "github.com/wneessen/go-mail/smtp",
			"github.com/emersion/go-smtp",
		},
		map[string]string{
			"mail":          "is that door",
			"mail/mailtest": "plays the receiving server",
		},
	},
	{
		"calling out by HTTP",
		[]string{
			"net/http.Client", "net/http.Transport", "net/http.DefaultClient", "net/http.DefaultTransport",
			"net/http.Get", "net/http.Head", "net/http.Post", "net/http.PostForm",
		},
		nil,
		map[string]string{
			"outbound":           "is that door to addresses that others choose",
			"command":            "healthcheck asks the server on this machine; it makes the client that certificate uses",
			"certificate":        "asks the authority that the operator has named",
			"server/serverbench": "plays the caller",
			"server/servertest":  "plays the caller",
		},
	},
	{
		"dialling",
		[]string{"net.Dial", "net.DialTimeout", "net.Dialer", "crypto/tls.Dial", "crypto/tls.Dialer"},
		nil,
		map[string]string{
			"outbound":           "judges the address of each connection",
			"mail":               "reaches the mail server",
			"database/dbtest":    "stands between a test and its database",
			"server/serverbench": "plays the callers",
		},
	},
	{
		"comparing, hashing, sealing", nil,
		[]string{
			"crypto/subtle", "crypto/hmac", "crypto/aes", "crypto/cipher", "crypto/sha256", "crypto/sha512",
			"crypto/sha1",
			"crypto/md5", "golang.org/x/crypto/argon2", "golang.org/x/crypto/bcrypt", "golang.org/x/crypto/scrypt",
		},
		map[string]string{
			"secret":   "is that door",
			"hosted":   "names assets by their content, which nobody hides",
			"page":     "tells questions apart, which nobody hides",
			"scenario": "makes ids of names, which nobody hides",
			"seal":     "makes digests of rows, under a key that lies beside them until it is forgotten",
		},
	},
	{
		"sealing what a change of the install key must find",
		[]string{"(*" + module + "/internal/foundation/secret.Box).Seal"},
		nil,
		map[string]string{
			"outbox":      "its Reseal is on the server's list",
			"signingkey":  "its Reseal is on the server's list",
			"webhook":     "what it seals lies with delivery, whose Reseal is on the server's list",
			"reseal":      "reseals what these have sealed",
			"idempotency": "answers are kept for a day, which the change waits for",
			"session":     "under a key of the used refresh token, of which no install key is part",
		},
	},
	{
		"judging passwords uncounted",
		[]string{
			"(*" + module + "/internal/foundation/secret.Hasher).Verify",
			"(*" + module + "/internal/foundation/secret.Hasher).Hash",
		},
		nil,
		map[string]string{
			"portaluser": "its Guard counts an attempt before it judges it",
			"credential": "its Guard likewise; and it compares new passwords with those that were used lately",
		},
	},
	{
		"signing", nil,
		[]string{"crypto/rsa", "crypto/ecdsa", "crypto/ed25519", "crypto/elliptic", "github.com/go-jose/go-jose/v4"},
		map[string]string{
			"signingkey":    "is that door",
			"mail/mailtest": "makes the test server's certificate",
		},
	},
	{"reading randomness", nil, []string{"crypto/rand"}, map[string]string{
		"id":            "names things",
		"secret":        "makes tokens, salts, nonces and keys",
		"signingkey":    "makes RSA keys",
		"mail/mailtest": "makes the test server's certificate",
	}},
	{"chance", nil, []string{"math/rand", "math/rand/v2"}, map[string]string{
		"outbox":             "spreads retries",
		"webhook":            "spreads retries",
		"decide/decidebench": "generates worlds from a seed",
		"decisionlog":        "takes a share of the decisions",
		"command":            "doctor asks at random",
		"server/serverbench": "generates worlds from a seed",
	}},
	{"reading the clock", []string{"time.Now", "time.Since", "time.Until"}, nil, map[string]string{
		"command":            "hands the clock to the store, whose Now everything else reads",
		"wire":               "deadlines of real connections",
		"mail":               "deadlines of real connections",
		"outbound":           "how long an answer of a real connection took",
		"mailqueue":          "a mail to nobody takes as long as one to somebody",
		"decide/decidebench": "measures",
		"server/serverbench": "measures",
		"database":           "how long a call has waited, whatever the clock of its rows says",
		"database/dbtest":    "hands the clock to the store",
		"server/servertest":  "is the tests' clock",
		"mail/mailtest":      "dates the test server's certificate",
	}},
	{
		"ending the process",
		[]string{"os.Exit", "log.Fatal", "log.Fatalf", "log.Fatalln", "log.Panic", "log.Panicf"},
		nil,
		map[string]string{
			"cmd/canopy": "is that door",
		},
	},
	{
		"writing past the guard of a call",
		[]string{module + "/internal/platform/database.Unguarded"},
		nil,
		map[string]string{
			"ratelimit":  "counts calls, whatever they do",
			"portaluser": "counts guesses, whatever the call was to do",
			"credential": "counts guesses, whatever the call was to do",
			"apikey":     "records a refusal, after which the call does nothing",
		},
	},
	{
		"leaving the context of a call, and its guard",
		[]string{"context.Background"},
		nil,
		map[string]string{
			"cmd/canopy":        "is where contexts begin",
			"database":          "reads the schema once",
			"telemetry":         "is asked by a page that gives it none",
			"database/dbtest":   "makes and drops the tests' databases",
			"mail/mailtest":     "plays the receiving server",
			"server/servertest": "plays the caller",
		},
	},
	{"starting other programs", nil, []string{"os/exec", "plugin"}, nil},
	{"reaching around the type system", nil, []string{"unsafe"}, nil},
	{"logging past slog", nil, []string{"log"}, map[string]string{
		"mail/mailtest": "go-smtp wants one",
	}},
	{
		"writing to the process's own output",
		[]string{"os.Stdout", "os.Stderr", "os.Stdin", "fmt.Print", "fmt.Printf", "fmt.Println"},
		nil,
		map[string]string{
			"cmd/canopy": "hands them to command",
		},
	},
	{"speaking HTTP", nil, []string{"net/http"}, map[string]string{
		"certificate":        "asks the authority that gives certificates",
		"wire":               "routes, bodies and answers of all doors",
		"accessapi":          "a door",
		"eventsapi":          "a door",
		"peopleapi":          "a door",
		"portalapi":          "a door",
		"identityapi":        "a door",
		"tenantapi":          "a door",
		"authzenapi":         "a door",
		"hosted":             "a door",
		"outbound":           "calls out",
		"webhook":            "writes the headers of what it sends, and reads those of answers",
		"reference":          "one page",
		"telemetry":          "the metrics' page",
		"server":             "runs the HTTP server",
		"command":            "healthcheck asks the server on this machine",
		"server/servertest":  "plays the caller",
		"server/serverbench": "plays the caller",
	}},
	{
		"making schemas of its own", nil,
		[]string{"github.com/danielgtaylor/huma/v2", "github.com/danielgtaylor/huma/v2/validation"},
		map[string]string{
			"wire": "is that door",
		},
	},
}

func TestEachDangerHasOneDoor(t *testing.T) {
	t.Parallel()
	for _, d := range doors {
		t.Run(strings.ReplaceAll(d.danger, " ", "-"), func(t *testing.T) {
			t.Parallel()
			seen := map[string]bool{}
			for _, p := range packages(t) {
				for thing, where := range taken(p, d.uses, d.packages) {
					seen[p.room()] = true
					if d.door[p.room()] == "" {
						t.Errorf("%s: %s uses %s; the door for %s is %v",
							where, p.room(), thing, d.danger, slices.Sorted(maps.Keys(d.door)))
					}
				}
			}
			for name := range d.door {
				if !seen[name] {
					t.Errorf("%s no longer needs this door", name)
				}
			}
		})
	}
}

// taken gives what of uses and packages p has, and where.
func taken(p *source, uses, pkgs []string) map[string]string {
	found := map[string]string{}
	for _, f := range p.files {
		for _, imp := range f.Imports {
			if name := strings.Trim(imp.Path.Value, `"`); slices.Contains(pkgs, name) {
				found[name] = at(imp)
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if name, ok := n.(*ast.Ident); ok {
				if full := fullName(p.info.Uses[name]); slices.Contains(uses, full) {
					found[full] = at(n)
				}
			}
			return true
		})
	}
	return found
}

// fullName is that of a function, a method or a thing of a package; "" of others.
func fullName(o types.Object) string {
	if fn, is := o.(*types.Func); is {
		return fn.FullName()
	}
	if o != nil && o.Pkg() != nil && o.Parent() == o.Pkg().Scope() {
		return o.Pkg().Path() + "." + o.Name()
	}
	return ""
}

// pure packages and all that they may import.
var pure = map[string][]string{
	"decide": {
		"bytes", "cmp", "hash/maphash", "iter", "math", "math/bits", "reflect", "slices", "strings",
		module + "/internal/foundation/id", module + "/internal/access/decide/persist",
	},
	"decide/persist": {"iter", "math/bits", "reflect", "slices"},
}

// TestTheCoreIsPure: what decides reads no clock, net, file or context.
func TestTheCoreIsPure(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, p := range packages(t) {
		allowed, isPure := pure[p.room()]
		if !isPure {
			continue
		}
		seen[p.room()] = true
		for _, imp := range p.Imports {
			if !slices.Contains(allowed, imp) {
				t.Errorf("%s imports %s, which is not on the list of what a pure package may import", p.room(), imp)
			}
		}
	}
	for room := range pure {
		if !seen[room] {
			t.Errorf("the pure package %s does not exist", room)
		}
	}
}

// TestOnlyRoomsHoldSQL: doors and wiring ask rooms, no SQL of their own.
func TestOnlyRoomsHoldSQL(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		if a := areaOf(p.room()); a < 0 || areas[a].name != "top" && areas[a].name != "api" {
			continue
		}
		for q, where := range statements(p) {
			t.Errorf("%s: %s holds SQL: %s", where, p.room(), q)
		}
	}
}

// TestHandlersOpenNoTransaction: a handler calls one use case, which is one
// transaction.
func TestHandlersOpenNoTransaction(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		if a := areaOf(p.room()); a < 0 || areas[a].name != "api" {
			continue
		}
		for _, imp := range p.Imports {
			platform, below := strings.CutPrefix(imp, module+"/internal/platform/")
			if below && !slices.Contains([]string{"wire", "ratelimit", "signingkey"}, platform) {
				t.Errorf("%s imports %s; a door speaks with rooms through wire", p.room(), platform)
			}
		}
	}
}

// TestSettingsAreReadByConfig: only config's structs are filled from the environment.
func TestSettingsAreReadByConfig(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		if p.room() == "config" {
			continue
		}
		for _, f := range p.files {
			ast.Inspect(f, func(n ast.Node) bool {
				if field, ok := n.(*ast.Field); ok && field.Tag != nil && strings.Contains(field.Tag.Value, `env:"`) {
					t.Errorf("%s: %s reads a variable of the environment; settings are config's", at(n), p.room())
				}
				return true
			})
		}
	}
}

// TestEveryServerEndsItsWaits: a server of HTTP says how long it waits for a header, a
// body and the next request, and how large a header may be.
func TestEveryServerEndsItsWaits(t *testing.T) {
	t.Parallel()
	servers := 0
	for _, p := range packages(t) {
		for _, f := range p.files {
			ast.Inspect(f, func(n ast.Node) bool {
				literal, ok := n.(*ast.CompositeLit)
				if !ok || types.TypeString(p.info.TypeOf(literal), nil) != "net/http.Server" {
					return true
				}
				servers++
				var set []string
				for _, e := range literal.Elts {
					if pair, ok := e.(*ast.KeyValueExpr); ok {
						set = append(set, types.ExprString(pair.Key))
					}
				}
				for _, want := range []string{"ReadHeaderTimeout", "ReadTimeout", "IdleTimeout", "MaxHeaderBytes"} {
					if !slices.Contains(set, want) {
						t.Errorf("%s: the server has no %s", at(literal), want)
					}
				}
				return true
			})
		}
	}
	if servers < 2 {
		t.Errorf("%d servers were seen", servers)
	}
}
