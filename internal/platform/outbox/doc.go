// Package outbox owns work that must follow a change: the table outbox, written
// in the transaction of the change and worked off afterwards, at least once, by
// any process of the install. Payloads lie sealed under the install key and are
// wiped when the work is done, given up or dropped.
//
//	          ┌─────────── fails: attempt⁴ s later ───────────┐
//	          ▼                                               │
//	queued ──lease──► Wanted? ──yes──► Deliver ──► Settled ──► done
//	   │                 └─ no ──► dropped   └─ permanent, or 24 h ──► dead
//	   └──Drop──► dropped
//
// Work lies in lanes. Each lane is worked off by itself, some jobs at once, so
// that a lane full of due or slow work never delays another. A room gets the
// Queue of its lane; whoever queues a job need not wake anybody, the commit does.
//
// A worker leases a job by moving its next attempt ahead, so a job is in one
// worker's hands at a time, and a job whose worker has died comes back. While it
// delivers, it renews the lease, however long that takes; a worker that finds its
// lease gone ends the delivery. A crash between Deliver and Settled delivers twice: handlers bear that.
//
// Work that stays within the store is a Task: it is done in the transaction that ends
// its job, and so once.
//
// It refuses to know what a job is about; handlers do. It calls database, secret,
// fault and id; every room may call Queue.Enqueue and Drop.
package outbox
