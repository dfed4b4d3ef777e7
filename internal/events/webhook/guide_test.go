package webhook_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"canopy.dev/canopy/internal/foundation/id"
)

// Verify reports whether a request comes from who holds the secret, and not long ago.
func Verify(secret string, header http.Header, body []byte, now time.Time) bool {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	second, failed := strconv.ParseInt(header.Get("webhook-timestamp"), 10, 64)
	if err != nil || failed != nil || now.Sub(time.Unix(second, 0)).Abs() > 5*time.Minute {
		return false
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%d.%s", header.Get("webhook-id"), second, body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	for signature := range strings.FieldsSeq(header.Get("webhook-signature")) {
		if hmac.Equal([]byte(signature), []byte(want)) {
			return true
		}
	}
	return false
}

// TestGuidesReceiver: the receiver of the guide is the one above, and takes what is sent.
func TestGuidesReceiver(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../../../docs/guide/events.md")
	if err != nil {
		t.Fatal(err)
	}
	own, err := os.ReadFile("guide_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(guide), "```go\n")
	code, _, closed := strings.Cut(code, "```")
	if !closed || !strings.Contains(string(own), code) {
		t.Error("the guide shows another receiver")
	}
	each(t, func(t *testing.T, w *world) {
		r := receive(t, nil)
		s, value := w.subscribe(w.env, r.URL)
		w.record(w.env, happened, id.ID{7}, "a")
		w.run()
		g, now := r.take()[0], w.db.Now()
		if !Verify(value, g.Header, []byte(g.body), now) {
			t.Error("what was sent is refused")
		}
		_, other := w.subscribe(w.env, r.URL)
		forged := g.Clone()
		forged.Set("Webhook-Id", s.ID.String())
		if Verify(other, g.Header, []byte(g.body), now) || Verify(value, g.Header, []byte(g.body+" "), now) ||
			Verify(value, forged, []byte(g.body), now) || Verify(value, g.Header, []byte(g.body), now.Add(6*time.Minute)) {
			t.Error("what was not sent so is taken")
		}
	})
}
