package portaluser

import (
	"context"
	"errors"
	"time"

	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
)

const (
	// BrowserLife is how long a browser stays known after its person's password was
	// proved in it.
	BrowserLife = 90 * 24 * time.Hour
	// mostBrowsers is in how many a person is known; a further one displaces the oldest.
	mostBrowsers = 20
)

// Remember makes the browser of a call one that the person is known in, and gives the
// token that it is to send from now on. What it sent before is of no more use, whoever's
// it was: of several people on one browser the last is known. Only a proof of the
// person's password, or of the mailbox, may lead here.
func Remember(ctx context.Context, tx *database.Tx, by principal.Actor, who Locked) (secret.Token, error) {
	token, u := secret.NewToken(), who.User()
	if _, err := tx.Exec(ctx, deleteBrowser, by.Request.Browser); err != nil {
		return token, err
	}
	if _, err := tx.Exec(ctx, insertBrowser, token.Hash(), u.ID, tx.Now); err != nil {
		return token, err
	}
	_, err := tx.Exec(ctx, deleteOldestBrowsers, u.ID, mostBrowsers)
	return token, err
}

// KnownIn reports whether the user of a normalised address is known in the browser of a
// call.
func KnownIn(ctx context.Context, tx *database.Tx, by principal.Actor, email string) (bool, error) {
	var one int
	err := tx.QueryRow(ctx, selectBrowser, by.Request.Browser, email, tx.Now.Add(-BrowserLife)).Scan(&one)
	if errors.Is(err, database.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// Sweep deletes browsers that are known no more.
func (g *Guard) Sweep(ctx context.Context) error {
	return database.Do(ctx, g.DB, func(tx *database.Tx) error {
		_, err := tx.Exec(ctx, deleteEndedBrowsers, tx.Now.Add(-BrowserLife))
		return err
	})
}
