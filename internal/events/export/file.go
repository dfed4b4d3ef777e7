package export

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"time"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// LinkPath is where links lead, below the public URL, before the job's id.
const LinkPath = "/v1/downloads/audit-exports/"

// linkUse is what the key of links is derived for.
const linkUse = "canopy audit export link v1"

// Link is what a link to a file says.
type Link struct {
	Job       ID
	Account   string // an id
	Expires   string // seconds since 1970
	Signature string // base64url, of the three
}

func (l Link) signed() string { return l.Job.String() + "\n" + l.Account + "\n" + l.Expires }

// link is a new link to a completed job's file.
func (s *Service) link(j Job, now time.Time) (string, error) {
	until := now.Add(LinkLife)
	if j.ExpiresAt.Before(until) {
		until = j.ExpiresAt
	}
	l := Link{Job: j.ID, Account: j.Account.String(), Expires: strconv.FormatInt(until.Unix(), 10)}
	signature, err := s.Box.Sign(l.signed(), linkUse)
	if err != nil {
		return "", err
	}
	query := url.Values{
		"account": {l.Account}, "expires": {l.Expires}, "signature": {base64.RawURLEncoding.EncodeToString(signature)},
	}
	return s.Public + LinkPath + l.Job.String() + "?" + query.Encode(), nil
}

// File is a completed job's.
type File struct {
	Job
	db *database.DB
}

// Open gives the file that a link leads to. A link that is not good is told before anything is
// looked up. Fault: audit.export_not_found.
func (s *Service) Open(ctx context.Context, l Link) (*File, error) {
	signature, err := base64.RawURLEncoding.Strict().DecodeString(l.Signature)
	if err != nil {
		return nil, ErrNotFound
	}
	good, err := s.Box.Signed(l.signed(), linkUse, signature)
	if err != nil {
		return nil, err
	}
	expires, failed := strconv.ParseInt(l.Expires, 10, 64)
	if !good || failed != nil || s.DB.Now().Unix() >= expires {
		return nil, ErrNotFound
	}
	account, err := id.Parse[scope.AccountID](l.Account)
	if err != nil {
		return nil, ErrNotFound
	}
	j, err := database.Read(ctx, s.DB, func(tx *database.Tx) (Job, error) {
		return scanJob(tx.QueryRow(ctx, selectFile, account, l.Job, tx.Now))
	})
	if err != nil {
		return nil, missing(err)
	}
	return &File{j, s.DB}, nil
}

// WriteTo writes the file, a piece at a time; it holds no connection while it writes. An error
// where the file is deleted meanwhile.
func (f *File) WriteTo(ctx context.Context, to io.Writer) error {
	left := f.Size
	for number := 0; left > 0; number++ {
		data, err := database.Ask(ctx, f.db, func(tx *database.Tx) (data []byte, err error) {
			return data, tx.QueryRow(ctx, selectPiece, f.Account, f.ID, number).Scan(&data)
		})
		if err != nil {
			return fmt.Errorf("piece %d of audit export %s: %w", number, f.ID, err)
		}
		if _, err := to.Write(data); err != nil {
			return err
		}
		left -= int64(len(data))
	}
	return nil
}
