package signup

import (
	"context"
	"errors"
	"time"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/mail"
	"canopy.dev/canopy/internal/platform/mailqueue"
	"canopy.dev/canopy/internal/platform/ratelimit"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/tenant/account"
)

// ResendKind is the kind of the jobs that AskAgain queues, for the worker.
const ResendKind = "resend_verification"

// AskAgain notes that somebody wants the link of an address's sign-up again, whether
// there is one or not; Resend follows. Fault: server.busy.
func (s *Service) AskAgain(ctx context.Context, by principal.Actor, email string) error {
	return s.Errands.Leave(ctx, ResendKind, by, email, nil)
}

// Resend gives the newest sign-up of an address a new link, also one whose link has
// grown too old, until 72 hours after the sign-up; the earlier link is dead at once. A
// decoy's life is prolonged alike, with a mail to nobody. For an address without a
// sign-up, or one that has had its mails of the day, as many rows are written, which mean
// nothing. So the time of other writes doesn't tell what there is. It is what an errand of
// ResendKind does. Event: user.verification_resent; without a mail it is a failure.
func (s *Service) Resend(ctx context.Context, tx *database.Tx, by principal.Actor, email string) error {
	if err := s.Mail.Room(ctx, tx); err != nil {
		return err
	}
	spare, err := s.Mail.Spare(ctx, tx, ratelimit.MailSignUp, email)
	if err != nil {
		return err
	}
	token := secret.NewToken()
	again, err := renew(ctx, tx, email, spare, token)
	if err != nil {
		return err
	}
	told, add, subject := LinkResent, s.Mail.Add, again.account.Any()
	if !again.mailed {
		told.Outcome, add, subject = event.Failure, s.Mail.AddNobody, mailqueue.Nobody(email)
	}
	if err := s.Mail.Drop(ctx, tx, mail.VerifyEmail, subject); err != nil {
		return err
	}
	if err := add(ctx, tx, again.mail(token, again.until), subject, token.Hash()); err != nil {
		return err
	}
	return event.Record(ctx, tx, told, event.Entry{Actor: by}, event.None{})
}

// again is a sign-up with a new link, or nobody's.
type again struct {
	registration
	until  time.Time
	mailed bool
}

// renew puts a new link in the newest live sign-up of an address and prolongs what it
// has reserved. Where there is none, or it may not, it writes the rows of nobody.
func renew(ctx context.Context, tx *database.Tx, email string, may bool, token secret.Token) (a again, err error) {
	a.until = tx.Now.Add(life)
	var rowID ID
	var decoy bool
	var created time.Time
	_, taken, err := portaluser.ByEmail(ctx, tx, email)
	if err != nil {
		return a, err
	}
	err = tx.QueryRow(ctx, selectNewest, email, tx.Now.Add(-maxLife)).Scan(&rowID, &decoy, &created)
	if err == nil && may {
		if end := created.Add(maxLife); end.Before(a.until) {
			a.until = end
		}
		// One that was made just as another sign-up of the address was established did not
		// see the user, and is a decoy from now on.
		decoy = decoy || taken
		a.registration, err = scan(tx.QueryRow(ctx, updateLink, token.Hash(), a.until, rowID, decoy))
		if err == nil {
			a.mailed = !decoy
			return a, account.ProlongSlug(ctx, tx, a.account, a.accountName, a.until)
		}
	}
	if err != nil && !errors.Is(err, database.ErrNoRows) { // none, or verified between the two
		return a, err
	}
	if _, err := tx.Exec(ctx, updateNobody, token.Hash(), a.until); err != nil {
		return a, err
	}
	_, err = tx.Exec(ctx, prolongNobody, a.until)
	return a, err
}
