package secret

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"

	"golang.org/x/crypto/argon2"
)

// Params are argon2id's cost (RFC 9106).
type Params struct {
	MemoryKiB uint32
	Time      uint32
	Threads   uint8
}

// DefaultParams is 19 MiB, two passes, one lane.
var DefaultParams = Params{MemoryKiB: 19 * 1024, Time: 2, Threads: 1}

// Hasher hashes passwords in a bounded pool: at most one hash a core at a time,
// so sign-ins can't take the memory or every core of the machine. The networks that
// wait are served in turn, so that none keeps another out. It is safe for concurrent
// use.
type Hasher struct {
	params Params
	pool   *pool
	done   atomic.Int64
	dummy  string
}

// NewHasher makes a pool that runs workers hashes at once (0: one fewer than the
// cores, at least one) and lets queue further calls wait in each lane.
func NewHasher(params Params, workers, queue int) *Hasher {
	if workers <= 0 {
		workers = max(1, runtime.GOMAXPROCS(0)-1)
	}
	h := &Hasher{params: params, pool: newPool(workers, queue)}
	h.dummy = h.hash(NewToken().Reveal())
	return h
}

// Waiting is the number of calls that wait for their turn now.
func (h *Hasher) Waiting() int64 { return h.pool.length() }

// Done is the number of passwords hashed and compared so far.
func (h *Hasher) Done() int64 { return h.done.Load() }

// Hash gives the PHC string of a password under the current parameters. A full
// lane is fault.Busy.
func (h *Hasher) Hash(ctx context.Context, from From, password string) (string, error) {
	if err := h.pool.enter(ctx, from); err != nil {
		return "", err
	}
	defer h.pool.leave(from)
	h.done.Add(1)
	return h.hash(password), nil
}

// Verify finds the first of some PHC strings that the password belongs to: which, or -1,
// and whether that was made with other parameters than the current ones. "" and what it
// can't read match nothing and take as long as the others. All are compared in one turn,
// which ends once it has begun, so that no guess is half judged. A full lane is
// fault.Busy.
func (h *Hasher) Verify(
	ctx context.Context, from From, password string, phcs ...string,
) (which int, outdated bool, err error) {
	if err := h.pool.enter(ctx, from); err != nil {
		return -1, false, err
	}
	defer h.pool.leave(from)
	for i, phc := range phcs {
		h.done.Add(1)
		if match, p := h.compare(phc, password); match {
			return i, p != h.params, nil
		}
	}
	return -1, false, nil
}

func (h *Hasher) compare(phc, password string) (match bool, p Params) {
	p, salt, want, readable := parsePHC(phc)
	if !readable {
		p, salt, want, _ = parsePHC(h.dummy)
	}
	size := uint32(len(want)) //nolint:gosec // of a hash that was made here
	got := argon2.IDKey([]byte(password), salt, p.Time, p.MemoryKiB, p.Threads, size)
	return subtle.ConstantTimeCompare(got, want) == 1 && readable, p
}

func (h *Hasher) hash(password string) string {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt)
	p := h.params
	key := argon2.IDKey([]byte(password), salt, p.Time, p.MemoryKiB, p.Threads, 32)
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.MemoryKiB, p.Time, p.Threads,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key))
}

func parsePHC(s string) (p Params, salt, key []byte, ok bool) {
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return Params{}, nil, nil, false
	}
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.MemoryKiB, &p.Time, &p.Threads); n != 3 || err != nil {
		return Params{}, nil, nil, false
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	key, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	ok = err1 == nil && err2 == nil && len(key) > 0 && p.Time > 0 && p.Threads > 0 && p.MemoryKiB <= 1<<20
	return p, salt, key, ok
}
