package tenantapi_test

import (
	"testing"

	"canopy.dev/canopy/internal/server/servertest"
)

func TestEveryCodeIsProduced(t *testing.T) {
	t.Parallel()
	servertest.EveryCode(t, servertest.DoorCodes("tenantapi"), map[string]servertest.Provocation{
		"version_conflict": func(_ *testing.T, p servertest.Provoker) servertest.Answer {
			c, account := p.Owner()
			return c.Do("PATCH", account, servertest.Map{"name": "B"}, "If-Match", "7")
		},
	})
}
