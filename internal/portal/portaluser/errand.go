package portaluser

import (
	"context"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/outbox"
)

// Errands takes what anybody may ask for about an address, known or not. The request
// only writes the errand down, alike for every address; the worker does it. So neither
// the answer nor its time tells whether the address is known, and no errand that was
// answered is lost. It is safe for concurrent use.
type Errands struct {
	DB    *database.DB
	Queue outbox.Queue // has a bound, since strangers fill it
}

// errand is the payload of a job, which is sealed and wiped when it ends.
type errand struct {
	Email   string
	Request principal.Request
}

// longestAgent bounds what an errand keeps of the client's name.
const longestAgent = 256

// Leave queues an errand of a kind and, where counted is not nil, has it counted in the
// same transaction. Fault: server.busy when too many wait.
func (e Errands) Leave(
	ctx context.Context, kind string, by principal.Actor, email string,
	counted func(ctx context.Context, tx *database.Tx) error,
) error {
	request := by.Request
	agent := []rune(request.UserAgent)
	request.UserAgent = string(agent[:min(len(agent), longestAgent)])
	payload, err := json.Marshal(errand{email, request})
	if err != nil {
		return err
	}
	return database.Do(ctx, e.DB, func(tx *database.Tx) error {
		if counted != nil {
			if err := counted(ctx, tx); err != nil {
				return err
			}
		}
		jobID := id.New[id.ID](tx.Now)
		return e.Queue.Enqueue(ctx, tx, outbox.Job{ID: jobID, Kind: kind, SubjectID: jobID, Payload: payload})
	})
}

// Errand does the errands of one kind, each once, for the anonymous actor who left it.
func Errand(
	do func(ctx context.Context, tx *database.Tx, by principal.Actor, email string) error,
) outbox.Handler {
	return outbox.Task(func(ctx context.Context, tx *database.Tx, j outbox.Job) error {
		var e errand
		if err := json.Unmarshal(j.Payload, &e); err != nil {
			return err
		}
		by := principal.Actor{Kind: principal.KindAnonymous, Request: e.Request}
		return do(ctx, tx, by, e.Email)
	})
}
