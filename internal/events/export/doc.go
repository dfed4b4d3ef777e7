// Package export makes files of rows of the audit log, in the background. It owns audit_export, the
// jobs, and audit_export_piece, the files: they lie in the store, so that every replica can serve
// them.
//
//	            ┌── its worker dies, or is stopped ──┐
//	            ▼                                    │
//	ask ──► pending ──claim──► processing ──► completed ──7 days──► gone
//	                                │                                 ▲
//	                                └─► failed ────────7 days─────────┤
//	            any of them ─────────── delete ───────────────────────┘
//
// A worker has a job while it holds its claim, which it renews; nothing is written without it. A
// job whose worker has died begins anew, three times in all. A job is found on the surface and
// within the reach alone on which it was asked for.
//
// A file is fetched by a link that is signed and good for a quarter of an hour, without a
// credential.
//
// It refuses to know what a row means, who may export, and how a file is sent.
package export
