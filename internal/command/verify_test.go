package command

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"canopy.dev/canopy/internal/server/servertest"
)

type m = map[string]any

// staffed is an Environment with some people who hold something.
func staffed(s *servertest.Server) (c *servertest.Client, at, key, ann, node, role string) {
	c, slug := s.SignUp("alex@acme.com", "Acme")
	at = "/portal/v1/accounts/" + slug + "/applications/desk/environments/development"
	root := c.Tree(at)
	c.Must(201, "POST", at+"/permissions", m{"permissions": []m{
		{"key": "lease.read", "name": "Read", "category": "lease"},
		{"key": "lease.sign", "name": "Sign", "category": "lease"},
	}})
	role = c.Role(at, "Reader")
	c.Must(200, "PUT", at+"/roles/"+role+"/permissions", m{"permission_keys": []string{"lease.read"}})
	for i := range 4 {
		region := c.Node(at, root, "region", fmt.Sprintf("Region %d", i))
		node = c.Node(at, region, "office", "Office")
		ann = c.Person(at, fmt.Sprintf("person%d", i))
		c.Assign(at, ann, []string{root, region, node}[i%3], role)
	}
	return c, at, c.Key(at, "permissions.evaluate"), ann, node, role
}

func verify(s *servertest.Server, key string, sample int) (*verifier, error) {
	v, err := newVerifier(context.Background(), s.DB, s.URL, key, io.Discard)
	if err != nil {
		return nil, err
	}
	return v, v.run(context.Background(), sample)
}

// TestVerifyDecisions: a server that is right is found to be, on a sample and on everything, also
// while others write.
func TestVerifyDecisions(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, at, key, ann, node, role := staffed(s)
		if v, err := verify(s, key, 3000); err != nil || v.asked != 3000 {
			t.Error(err)
		}
		v, err := verify(s, key, 0)
		if want := 4 * len(v.rows.keys) * 10; err != nil || v.asked != want {
			t.Errorf("%d of %d: %v", v.asked, want, err)
		}
		var writer sync.WaitGroup
		stop := make(chan struct{})
		writer.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					given := c.Assign(at, ann, node, role)
					c.Must(204, "DELETE", at+"/assignments/"+given, nil)
				}
			}
		})
		if _, err := verify(s, key, 5000); err != nil && !strings.Contains(err.Error(), "does not stand still") {
			t.Error(err)
		}
		close(stop)
		writer.Wait()
		for _, bad := range []string{"", "nonsense", strings.ToUpper(key)} {
			if _, err := verify(s, bad, 10); err == nil || !strings.HasPrefix(err.Error(), "--api-key-file: ") {
				t.Errorf("%q: %v", bad, err)
			}
		}
	})
}

// TestVerifyDecisionsFindsALie: of a server whose memory does not have what the rows say.
func TestVerifyDecisionsFindsALie(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		_, _, key, _, _, _ := staffed(s)
		if _, err := verify(s, key, 100); err != nil {
			t.Fatal(err)
		}
		// Past all rooms, which would have raised the revision.
		if _, err := s.DB.Pool().ExecContext(t.Context(), `DELETE FROM assignment`); err != nil {
			t.Fatal(err)
		}
		_, err := verify(s, key, 0)
		if err == nil || !strings.Contains(err.Error(), "[], the rows say allowed=false no_assignment") {
			t.Errorf("not found: %v", err)
		}
	})
}
