package server

import (
	"context"
	"time"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/events/delivery"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/outbox"
	"canopy.dev/canopy/internal/platform/reseal"
	"canopy.dev/canopy/internal/platform/signingkey"
)

// tokenLife is that of the longest-lived token.
const tokenLife = time.Hour

// Keyring is what changes keys beside running servers, with their settings.
type Keyring struct {
	Signing *signingkey.Service

	db  *database.DB
	box *secret.Box
}

// NewKeyring needs a store of this version. It makes no key.
func NewKeyring(c *config.Checked, db *database.DB) (Keyring, error) {
	box, err := c.KnownBox()
	if err != nil {
		return Keyring{}, err
	}
	keys := signingkey.New(signingkey.Config{DB: db, Box: box, Issuer: c.PublicURL, TokenLife: tokenLife})
	return Keyring{keys, db, box}, nil
}

// resealers are those of all rooms that keep what they seal under the install key. Kept
// answers of idempotent calls are not among them: their keys come of the caller's
// Idempotency-Key too, which is not kept, and they are gone after a day.
var resealers = []func(context.Context, *database.DB, *secret.Box) (reseal.Report, error){
	signingkey.Reseal, outbox.Reseal, delivery.Reseal,
}

// Reseal reseals, under the first install key, all that names another or none. The
// reports are true also where there is an error, which is that of the last one.
func (k Keyring) Reseal(ctx context.Context) ([]reseal.Report, error) {
	var reports []reseal.Report
	for _, run := range resealers {
		r, err := run(ctx, k.db, k.box)
		reports = append(reports, r)
		if err != nil {
			return reports, err
		}
	}
	return reports, nil
}
