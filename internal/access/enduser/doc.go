// Package enduser owns identities, the end users of an Account: the table identity. There
// is one row for each address of an Account, whatever Applications and Environments the
// person is in.
//
// It calls revision. It refuses to know where somebody is a member, and what for.
package enduser
