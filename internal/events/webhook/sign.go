package webhook

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/events/delivery"
	"canopy.dev/canopy/internal/foundation/secret"
)

// prefix lets people, and scanners of leaked secrets, tell a signing secret.
const prefix = "whsec_"

// newSecret makes a signing secret: whsec_ and 32 random bytes in base64.
func newSecret() secret.Token {
	return secret.TokenOf(prefix + base64.StdEncoding.EncodeToString(secret.NewKeyBytes()))
}

// secrets are those of a subscription as they lie sealed.
type secrets struct {
	Current  string `json:"current"`
	Previous string `json:"previous,omitempty"`
}

func (s secrets) seal(box *secret.Box, of delivery.WebhookID) ([]byte, error) {
	raw, err := json.Marshal(s)
	return box.Seal(raw, delivery.SealedFor(of.String())), err
}

func openSecrets(box *secret.Box, s *delivery.Subscription) (opened secrets, err error) {
	raw, err := box.Open(s.Secrets, delivery.SealedFor(s.ID.String()))
	if err != nil {
		return opened, err
	}
	return opened, json.Unmarshal(raw, &opened)
}

// signing are the secrets that sign at an instant, newest first.
func (s secrets) signing(until, now time.Time) []string {
	if s.Previous != "" && now.Before(until) {
		return []string{s.Current, s.Previous}
	}
	return []string{s.Current}
}

// signature is the header of that name of Standard Webhooks: for each secret v1, and the
// HMAC-SHA256 of id, second and body with points between, in base64.
func signature(with []string, id string, at time.Time, body []byte) string {
	var b strings.Builder
	head := []byte(id + "." + strconv.FormatInt(at.Unix(), 10) + ".")
	for i, s := range with {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s, prefix))
		if err != nil {
			continue // newSecret has made it
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString("v1," + base64.StdEncoding.EncodeToString(secret.MAC(key, head, body)))
	}
	return b.String()
}
