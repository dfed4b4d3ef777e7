package server

import (
	"cmp"
	"context"
	"reflect"
	"slices"
	"sync"

	"canopy.dev/canopy/internal/events/delivery"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/events/webhook"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/mail"
	"canopy.dev/canopy/internal/platform/outbound"
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/tenant/account"
	"canopy.dev/canopy/internal/tenant/environment"
)

// webhookPart is what subscriptions are of every Environment: they end with it.
type webhookPart struct{}

// Found implements environment.Part: a new Environment has no subscription.
func (webhookPart) Found(context.Context, *database.Tx, environment.New) error { return nil }

// Cut implements environment.Part: nothing is sent any more.
func (webhookPart) Cut(ctx context.Context, tx *database.Tx, in scope.Environment) (environment.Removed, error) {
	return environment.Removed{}, delivery.Cut(ctx, tx, in.ID)
}

// Sweep implements environment.Part.
func (webhookPart) Sweep(ctx context.Context, tx *database.Tx, gone environment.ID) (done bool, err error) {
	return delivery.SweepEnvironment(ctx, tx, gone)
}

func newWebhooks(p *platform) (*webhook.Service, *webhook.Sender) {
	out := outbound.New(outbound.Config{Allowed: p.inside})
	return &webhook.Service{DB: p.db, Box: p.box, Out: out},
		webhook.NewSender(webhook.SenderConfig{DB: p.db, Box: p.box, Out: out, Log: p.log, SwitchedOff: p.switchedOff})
}

// switchedOff tells the owners of an Account that a webhook was switched off.
func (p *platform) switchedOff(ctx context.Context, tx *database.Tx, s delivery.Subscription) error {
	in, err := account.Find(ctx, tx, s.Place.Account)
	if err != nil {
		return err
	}
	people, err := portaluser.EveryMember(ctx, tx, s.Place.Account)
	if err != nil {
		return err
	}
	for _, m := range people {
		if m.Role != permission.Owner || !m.Active {
			continue
		}
		d := mail.Data{
			Kind: mail.WebhookDisabled, To: m.Email, FirstName: m.FirstName, AccountName: in.Name, At: tx.Now,
		}
		if err := p.mail.Add(ctx, tx, d, s.ID.Any(), ""); err != nil {
			return err
		}
	}
	return nil
}

// declaredEvents are all types that are ever recorded, each as often as it is declared.
func declaredEvents() []event.Declared {
	list := slices.Clone(background)
	for _, op := range Operations() {
		for _, e := range op.Writes {
			declared, _ := e.(event.Declared) // there is no other kind
			list = append(list, declared)
		}
	}
	return list
}

// eventTypes are the types of events that webhooks can get, those of Environments first.
var eventTypes = sync.OnceValue(func() []webhook.Type {
	byName := map[string]*webhook.Type{}
	for _, d := range declaredEvents() {
		e := d.Entry()
		if e.Feed == event.NoFeed {
			continue
		}
		t := byName[e.Action]
		if t == nil {
			t = &webhook.Type{Name: e.Action, Account: true, Category: e.Category, About: e.About}
			byName[e.Action] = t
		}
		t.Account = t.Account && e.Feed == event.OfAccounts
		if e.Resource != "" && !slices.Contains(t.Resources, e.Resource) {
			t.Resources = append(t.Resources, e.Resource)
			slices.Sort(t.Resources)
		}
	}
	list := make([]webhook.Type, 0, len(byName))
	for _, t := range byName {
		list = append(list, *t)
	}
	slices.SortFunc(list, func(a, b webhook.Type) int {
		return cmp.Or(compareBools(a.Account, b.Account), cmp.Compare(a.Name, b.Name))
	})
	return list
})

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// payloads describe what is sent to webhooks.
func payloads() []wire.Payload {
	list := make([]wire.Payload, 0, len(eventTypes()))
	for _, t := range eventTypes() {
		list = append(list, wire.Payload{
			Event: t.Name, About: t.About, Resources: t.Resources, Metadata: metadataOf(t.Name),
		})
	}
	return list
}

// payloadTypes are the types of what events add, by action.
var payloadTypes = sync.OnceValue(func() map[string][]reflect.Type {
	types := map[string][]reflect.Type{}
	for _, d := range declaredEvents() {
		if !slices.Contains(types[d.Name()], d.Payload()) {
			types[d.Name()] = append(types[d.Name()], d.Payload())
		}
	}
	return types
})

func metadataOf(action string) []reflect.Type { return payloadTypes()[action] }
