package command

import "testing"

// TestWhereAServerAnswersOnThisMachine: every listen address has one, IPv6 too.
func TestWhereAServerAnswersOnThisMachine(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		":8080": "http://127.0.0.1:8080", "0.0.0.0:8080": "http://127.0.0.1:8080", "127.0.0.1:80": "http://127.0.0.1:80",
		"[::1]:8080": "http://[::1]:8080", "[::]:8080": "http://[::1]:8080", "[fe80::1]:8080": "http://[fe80::1]:8080",
		"192.0.2.1:8080": "http://192.0.2.1:8080", "localhost:8080": "http://localhost:8080",
		"8080": "", "::1:8080": "", "[::1]": "", "": "",
	} {
		got, err := onThisMachine("http", addr)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v; want %q", addr, got, err, want)
		}
	}
}
