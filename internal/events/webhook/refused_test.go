package webhook_test

import (
	"testing"

	"canopy.dev/canopy/internal/events/delivery"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// TestAddressThatIsRefused: an attempt without a status.
func TestAddressThatIsRefused(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, _ := w.subscribe(w.env, receive(t, nil).URL)
		dbtest.Exec(t, w.db, `UPDATE webhook SET url = 'https://169.254.169.254/latest'`)
		w.record(w.env, happened, id.ID{7}, "a")
		w.run()
		if d := w.only(s); d.Status != delivery.Pending || d.ResponseStatus != nil || *d.ResponseBody != "address refused" {
			t.Errorf("%+v", d)
		}
	})
}
