// Package attention gathers what somebody should look at: what has failed or is about to end
// in an Account. It owns no table; the server gives it the questions of the rooms that know.
package attention

import (
	"context"
	"time"

	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Kind is what is the matter.
type Kind string

// The kinds.
const (
	AssignmentsEnding  Kind = "assignments_ending"
	KeysEnding         Kind = "api_keys_ending"
	InvitesUndelivered Kind = "invites_undelivered"
	MailNotConfigured  Kind = "mail_not_configured"
	WebhookDisabled    Kind = "webhook_disabled"
	DeliveriesFailing  Kind = "deliveries_failing"
)

// Enum lists the kinds, for schemas.
func (Kind) Enum() []string {
	return []string{
		string(AssignmentsEnding), string(KeysEnding), string(InvitesUndelivered), string(MailNotConfigured),
		string(WebhookDisabled), string(DeliveriesFailing),
	}
}

// Source is a question about an Account.
type Source struct {
	Kind Kind
	Ask  func(context.Context, *database.Tx, scope.AccountID) ([]environment.Concern, error)
}

// Item is something to look at.
type Item struct {
	Kind Kind
	environment.Concern
}

// Service gathers. It is safe for concurrent use.
type Service struct {
	DB      *database.DB
	Sources []Source
	// NoMail is since when no mail server is configured; zero where one is.
	NoMail time.Time
}

// List gives what is the matter in an Account, kind by kind, in one view of the store.
func (s *Service) List(ctx context.Context, in scope.AccountID) ([]Item, error) {
	items := []Item{}
	if !s.NoMail.IsZero() {
		items = append(items, Item{MailNotConfigured, environment.Concern{Count: 1, Since: s.NoMail}})
	}
	err := database.View(ctx, s.DB, func(tx *database.Tx) error {
		for _, source := range s.Sources {
			found, err := source.Ask(ctx, tx, in)
			if err != nil {
				return err
			}
			for _, c := range found {
				items = append(items, Item{source.Kind, c})
			}
		}
		return nil
	})
	return items, err
}
