package webhook

import (
	"testing"
	"time"
)

// published is what a receiver can check itself by (docs/guide/events.md).
const published = `{"event":"role.deleted","data":{"account_id":"019daac3-0200-7a4c-823b-1612dd272d13",` +
	`"application_id":"019daac3-0201-771c-8714-9d439536b321","environment_id":"019daac3-0203-7d5a-9fd1-2aabfe228f21",` +
	`"actor_id":"019daac3-0202-76fd-aeeb-975729fae923","actor_type":"user","resource_type":"role",` +
	`"resource_id":"019daf52-0000-7000-8000-000000000001","metadata":{"name":"Approver"},` +
	`"timestamp":"2026-04-21T09:15:00.000Z"}}`

func TestSignatureIsAsPublished(t *testing.T) {
	t.Parallel()
	const key, id = "whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=", "019daf52-4e20-7f58-a04d-ba41ecccc3fc"
	got := signature([]string{key}, id, time.Unix(1776762900, 999), []byte(published))
	if want := "v1,iDR/vRLLGjWfhhd3DxiznZX5BjxcXLdH0zoEhcYeAsU="; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestWhichSecretsSign(t *testing.T) {
	t.Parallel()
	until := time.Unix(1000, 0)
	both := secrets{Current: "new", Previous: "old"}
	if got := both.signing(until, until.Add(-1)); len(got) != 2 || got[0] != "new" {
		t.Error(got)
	}
	if got := both.signing(until, until); len(got) != 1 || got[0] != "new" {
		t.Error(got)
	}
	if got := (secrets{Current: "new"}).signing(time.Time{}, until); len(got) != 1 {
		t.Error(got)
	}
}
