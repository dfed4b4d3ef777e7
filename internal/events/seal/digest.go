package seal

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"strconv"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/id"
)

// contentOf is a digest of the whole row. What an erasure may change enters it by a digest
// under the key: without that nothing can be guessed from it.
func contentOf(r *event.Row, key string) string {
	open := hmac.New(sha256.New, []byte(key))
	put(open, r.ActorLabel, r.ResourceLabel, string(r.Metadata))
	h := sha256.New()
	put(h, hex.EncodeToString(open.Sum(nil)),
		r.ID.String(), r.Account.String(), r.Application.String(), r.Environment.String(),
		r.ActorID.String(), string(r.ActorType), r.Action, string(r.Category), r.ResourceType, r.ResourceID.String(),
		string(r.Outcome), string(r.Severity), strconv.FormatBool(r.Hidden), strconv.FormatBool(r.IdentityVisible),
		strconv.Itoa(int(r.Surfaces)), r.Correlation, strconv.FormatInt(r.CreatedAt.UnixMicro(), 10),
		strconv.FormatBool(r.InFeed), strconv.FormatUint(r.Revision, 10), strconv.Itoa(r.Ordinal))
	return hex.EncodeToString(h.Sum(nil))
}

// hashOf seals an entry onto the one before.
func hashOf(before string, e *entry) string {
	h := sha256.New()
	put(h, before, e.in, strconv.FormatUint(e.number, 10), e.event.String(), e.application.String(),
		strconv.FormatInt(e.at.UnixMicro(), 10), e.content)
	return hex.EncodeToString(h.Sum(nil))
}

// put writes texts so that no two lists of them write the same.
func put(h hash.Hash, texts ...string) {
	for _, text := range texts {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(text)))
		h.Write(length[:])
		h.Write([]byte(text))
	}
}

// gone is the content of a row that was removed before it was sealed.
func gone(of event.RowID) string {
	h := sha256.New()
	put(h, "gone", id.ID(of).String())
	return hex.EncodeToString(h.Sum(nil))
}
