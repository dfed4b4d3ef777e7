package command

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/signingkey"
	"canopy.dev/canopy/internal/server"
)

type keysCmd struct {
	List   keysList   `cmd:"" help:"List the signing keys."`
	Rotate keysRotate `cmd:"" help:"Make a new signing key; it signs in 15 minutes."`
	Revoke keysRevoke `cmd:"" help:"Have all servers refuse, within 5 seconds, what a key has signed. If it signs now, a new one signs at once."`
	Reseal keysReseal `cmd:"" help:"Reseal, under the first install key, all that names another or none. May be stopped and repeated."`
}

type (
	keysList   struct{}
	keysRotate struct{}
	keysRevoke struct {
		KID string `arg:"" name:"kid" help:"The key's name, as keys list shows it."`
	}
	keysReseal struct{}
)

// keyring runs fn with what the verbs of keys need, beside running servers.
func (e *environment) keyring(ctx context.Context, fn func(server.Keyring) error) error {
	c, err := e.settings.Check()
	if err != nil {
		return err
	}
	db, err := database.Beside(ctx, c.DatabaseURL, time.Now)
	if err != nil {
		return err
	}
	defer db.Close()
	k, err := server.NewKeyring(c, db)
	if err != nil {
		return err
	}
	return fn(k)
}

// readableKeys reads the signing keys, which proves that an install key opens them.
func readableKeys(ctx context.Context, c *config.Checked, db *database.DB) ([]signingkey.Key, error) {
	k, err := server.NewKeyring(c, db)
	if err != nil {
		return nil, err
	}
	return k.Signing.List(ctx)
}

// Run lists the keys.
func (keysList) Run(ctx context.Context, e *environment) error {
	return e.keyring(ctx, func(k server.Keyring) error {
		keys, err := k.Signing.List(ctx)
		for _, k := range keys {
			fmt.Fprintf(e.Stdout, "%-20s made %s, signs from %s, %s\n",
				k.ID, k.CreatedAt.Format(time.RFC3339), k.SignsFrom.Format(time.RFC3339), k.State)
		}
		return err
	})
}

// Run makes a key.
func (keysRotate) Run(ctx context.Context, e *environment) error {
	return e.keyring(ctx, func(k server.Keyring) error {
		made, err := k.Signing.Rotate(ctx)
		if err == nil {
			fmt.Fprintf(e.Stdout, "%s signs from %s\n", made.ID, made.SignsFrom.Format(time.RFC3339))
		}
		return err
	})
}

// Run revokes a key.
func (v *keysRevoke) Run(ctx context.Context, e *environment) error {
	return e.keyring(ctx, func(k server.Keyring) error {
		replacement, err := k.Signing.Revoke(ctx, v.KID)
		if err != nil {
			return fmt.Errorf("revoke %s: %w", v.KID, err)
		}
		fmt.Fprintf(e.Stdout, "%s is revoked: within 5 seconds every server refuses what it has signed\n", v.KID)
		if replacement != "" {
			fmt.Fprintf(e.Stdout, "%s signs from now on\n", replacement)
		}
		return nil
	})
}

// shownLost is how many of the rows are named that no key opens.
const shownLost = 10

// Run reseals, and tells what became of each kind of value.
func (keysReseal) Run(ctx context.Context, e *environment) error {
	return e.keyring(ctx, func(k server.Keyring) error {
		left, lost := 0, 0
		reports, err := k.Reseal(ctx)
		for _, r := range reports {
			fmt.Fprintf(e.Stdout, "%s: %d resealed, %d left, %d that no key opens\n",
				r.Name, r.Done, r.Left, len(r.Lost))
			if n := len(r.Lost); n > 0 {
				fmt.Fprintf(e.Stdout, "  no key opens %s\n", strings.Join(r.Lost[:min(n, shownLost)], " "))
			}
			left, lost = left+r.Left, lost+len(r.Lost)
		}
		switch {
		case err != nil:
			return fmt.Errorf("stopped; run it again to go on: %w", err)
		case left > 0:
			return errors.New("values were sealed under another key meanwhile: " +
				"have all servers seal under the first key, then run it again")
		case lost > 0:
			return errors.New("some values can't be opened with the keys that are set; " +
				"those that a key of earlier opens come along once it is in the list")
		}
		return nil
	})
}
