// Package preview says what a call would do to access now, before it is sent: whether it would
// be refused, who would gain and lose what, and what would go.
//
//	change ──► one view of the store, and the snapshot of that moment (decision.Moment)
//	                │
//	                ├─ judged by the rules of the real calls ──► problems
//	                └─ tried on the snapshot (decide.Trial) ──► who gains, who loses
//
// It writes nothing, and holds up no writer (ADR 0011). It owns no table and no rule: the rooms
// of trees, roles, assignments, members and dumps judge their own calls.
package preview
