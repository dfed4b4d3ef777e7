// Package identitysession owns where identities are signed in: the table identity_session. A
// session is one sign-in on one device, bound to an Environment for good.
//
//	live ──expires_at──► expired
//	  └──End, EndAll───► ended        both are remembered for a while, then swept
//
// It calls enduser and membership. It refuses to open sessions: nobody signs in here yet.
package identitysession
