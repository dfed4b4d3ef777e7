// Package ratelimit counts. Its table is rate_count: one row a limit and
// subject, so that counters hold over all processes and restarts. A window
// begins with the first thing counted and ends a period later. Subjects, which
// may be addresses, are kept as hashes.
package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"canopy.dev/canopy/internal/database"
	"canopy.dev/canopy/internal/fault"
	"canopy.dev/canopy/internal/secret"
)

// Name is a limit, as CANOPY_RATE_LIMITS spells it.
type Name string

// The limits.
const (
	SignIn        Name = "sign_in"        // failed sign-ins per client IP and e-mail
	SignInIP      Name = "sign_in_ip"     // failed sign-ins per client IP
	SignUp        Name = "sign_up"        // sign-ups per client IP
	Recover       Name = "recover"        // forgot-password and resend-verification per client IP and e-mail
	Link          Name = "link"           // calls that take a mailed token, per client IP
	MailRecipient Name = "mail_recipient" // mails to one address, all kinds but codes
	InviteMail    Name = "invite_mail"    // invite mails per Account
)

// Rule is how many in how long; a Count of 0 is no limit.
type Rule struct {
	Count  int
	Period time.Duration
}

// Rules are the limits in force.
type Rules map[Name]Rule

// Defaults are the limits without configuration.
func Defaults() Rules {
	return Rules{
		SignIn: {5, 15 * time.Minute}, SignInIP: {50, 15 * time.Minute}, SignUp: {10, time.Hour}, Recover: {5, 15 * time.Minute},
		Link: {60, time.Minute}, MailRecipient: {10, 24 * time.Hour}, InviteMail: {500, 24 * time.Hour},
	}
}

// Parse reads CANOPY_RATE_LIMITS: "name=count/period" pairs, "name=off" for one,
// "off" for all. What it does not name keeps its default.
func Parse(setting string) (Rules, error) {
	rules := Defaults()
	if strings.TrimSpace(setting) == "off" {
		return Rules{}, nil
	}
	for part := range strings.SplitSeq(setting, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		if _, known := rules[Name(name)]; !known {
			return nil, fmt.Errorf("%q is no limit; the limits are %v", name, slices.Sorted(maps.Keys(Defaults())))
		}
		if value == "off" {
			rules[Name(name)] = Rule{}
			continue
		}
		count, period, _ := strings.Cut(value, "/")
		n, err1 := strconv.Atoi(count)
		d, err2 := time.ParseDuration(period)
		if err1 != nil || err2 != nil || n < 1 || d < time.Second {
			return nil, fmt.Errorf("%q must be like %s=20/1h or %s=off", part, name, name)
		}
		rules[Name(name)] = Rule{n, d}
	}
	return rules, nil
}

// Limiter counts under rules. It is safe for concurrent use.
type Limiter struct {
	db    *database.DB
	rules Rules
}

// New makes a Limiter.
func New(db *database.DB, rules Rules) *Limiter { return &Limiter{db, rules} }

// Limit is the number a limit allows in a window; 0 is no limit.
func (l *Limiter) Limit(name Name) int { return l.rules[name].Count }

const (
	upsert = `INSERT INTO rate_count (name, subject, ends_at, count) VALUES ($1, $2, $3, 1)
		ON CONFLICT (name, subject) DO UPDATE SET
			count = CASE WHEN rate_count.ends_at <= $4 THEN 1 ELSE rate_count.count + 1 END,
			ends_at = CASE WHEN rate_count.ends_at <= $4 THEN excluded.ends_at ELSE rate_count.ends_at END`
	unlessFull = ` WHERE rate_count.ends_at <= $4 OR rate_count.count < $5`
	returning  = ` RETURNING count, ends_at`
)

// Count counts one, or refuses with fault.RateLimited and leaves the count as it
// is when that would be one too many. A transaction that fails counts nothing.
func (l *Limiter) Count(ctx context.Context, tx *database.Tx, name Name, subject string) error {
	rule := l.rules[name]
	if rule.Count == 0 {
		return nil
	}
	var count int
	var ends time.Time
	err := tx.QueryRow(ctx, upsert+unlessFull+returning, string(name), secret.Hash(subject), tx.Now.Add(rule.Period), tx.Now, rule.Count).Scan(&count, &ends)
	if errors.Is(err, database.ErrNoRows) {
		return l.check(ctx, tx, name, subject)
	}
	return err
}

// Take is Count in a transaction of its own.
func (l *Limiter) Take(ctx context.Context, name Name, subject string) error {
	if l.rules[name].Count == 0 {
		return nil
	}
	return database.Do(ctx, l.db, func(tx *database.Tx) error { return l.Count(ctx, tx, name, subject) })
}

// Check refuses, with fault.RateLimited, when the limit is reached; it counts nothing.
func (l *Limiter) Check(ctx context.Context, name Name, subject string) error {
	if l.rules[name].Count == 0 {
		return nil
	}
	_, err := database.Read(ctx, l.db, func(tx *database.Tx) (struct{}, error) { return struct{}{}, l.check(ctx, tx, name, subject) })
	return err
}

func (l *Limiter) check(ctx context.Context, tx *database.Tx, name Name, subject string) error {
	var count int
	var ends time.Time
	err := tx.QueryRow(ctx, `SELECT count, ends_at FROM rate_count WHERE name = $1 AND subject = $2 AND ends_at > $3`,
		string(name), secret.Hash(subject), tx.Now).Scan(&count, &ends)
	if errors.Is(err, database.ErrNoRows) || err == nil && count < l.rules[name].Count {
		return nil
	}
	if err != nil {
		return err
	}
	return fault.RateLimited.WithQuota(fault.Quota{Limit: l.rules[name].Count, Reset: ends.Sub(tx.Now)})
}

// Fail counts one without refusing and gives the count of the window.
func (l *Limiter) Fail(ctx context.Context, tx *database.Tx, name Name, subject string) (int, error) {
	rule := l.rules[name]
	if rule.Count == 0 {
		return 0, nil
	}
	var count int
	var ends time.Time
	err := tx.QueryRow(ctx, upsert+returning, string(name), secret.Hash(subject), tx.Now.Add(rule.Period), tx.Now).Scan(&count, &ends)
	return count, err
}

// Reset starts a subject's window anew.
func (l *Limiter) Reset(ctx context.Context, tx *database.Tx, name Name, subject string) error {
	_, err := tx.Exec(ctx, `DELETE FROM rate_count WHERE name = $1 AND subject = $2`, string(name), secret.Hash(subject))
	return err
}

// Sweep deletes windows that have ended.
func (l *Limiter) Sweep(ctx context.Context) error {
	return database.Do(ctx, l.db, func(tx *database.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM rate_count WHERE ends_at <= $1`, tx.Now)
		return err
	})
}
