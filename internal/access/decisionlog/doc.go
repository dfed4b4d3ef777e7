// Package decisionlog writes decisions as JSON lines: who asked what, what was decided, why,
// and at which revision. So it does lists of what would be decided (Kind): who gets one may go
// by it without asking further. Of these it tells what was asked and how much was found, not
// what. It is off unless the operator wants it.
//
//	decision ──wanted? (all, denied, a share)──► queue, bounded ──► one writer ──► file or stdout
//	                                               └─ full ──► dropped, and counted
//
// Nobody waits for it: a decision never fails and is never late because of its line. A line
// holds ids and names of roles, never a credential.
package decisionlog
