// Package clients_test compiles and runs clients of Canopy in TypeScript, as guides show them,
// against real servers. The npm project of this folder is theirs.
package clients_test
