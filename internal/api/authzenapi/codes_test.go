package authzenapi_test

import (
	"testing"

	"canopy.dev/canopy/internal/server/servertest"
)

// TestEveryCodeIsProduced: the door has no codes but those of the checks before every handler.
func TestEveryCodeIsProduced(t *testing.T) {
	t.Parallel()
	servertest.EveryCode(t, servertest.DoorCodes("authzenapi"), nil)
}
