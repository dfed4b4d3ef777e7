// Package hosted serves the pages people open in a browser below /app/: the
// four that mails lead to (accept-invite, verify-email, reset-password, and
// identity/accept-invite for identities), and sign-up, forgot-password and login.
//
// It owns HTML shells, a few JavaScript modules, one style sheet and a logo, all
// embedded. It knows HTTP and nothing else: no room, no database, no setting.
// Every page is the same bytes for everybody; what a page shows it learns in the
// browser from the public API, with the person's own token or session.
//
//	mail ──► /app/accept-invite#token=…            browser
//	              │ shell (no-store)                  │ takes the token out of the
//	              ▼                                   ▼ address bar, keeps it in memory
//	         hosted.Handler                     POST /v1/auth/invite-info
//	                                                  │ a person reads, types, clicks
//	                                                  ▼
//	                                            POST /v1/auth/accept-invite
//
// It refuses to: read a query string, answer anything but GET and HEAD, change
// state because a page was opened, load anything from elsewhere, hold script or
// style inside a page, or put text into a page other than as text.
//
// All addresses in the pages are relative, so that Canopy may live below a path.
package hosted
