// Package membership owns where identities are: the tables app_membership, in an
// Application, and membership, in an Environment, which is only below an active one.
//
//	none ──► active ◄──► deactivated
//
// A membership is switched off, never removed, until its identity is erased or its
// Application deleted. It calls enduser and revision. It refuses to know roles.
package membership
