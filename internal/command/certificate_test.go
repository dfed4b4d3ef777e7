package command_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"canopy.dev/canopy/internal/command"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// certificateFiles makes a certificate for a host that is good for some time, in files.
func certificateFiles(t *testing.T, host string, life time.Duration) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(life),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	for path, block := range map[string]*pem.Block{
		cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: raw},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func runProgram(t *testing.T, args ...string) (said string, code int) {
	t.Helper()
	var out bytes.Buffer
	p := &command.Program{Args: args, Stdout: &out, Stderr: &out, Version: "test"}
	code = p.Run(t.Context())
	return out.String(), code
}

// TestServerSpeaksTLS by the files of the settings; healthcheck and doctor know of it.
func TestServerSpeaksTLS(t *testing.T) {
	t.Parallel()
	cert, key := certificateFiles(t, "canopy.example.com", 10*24*time.Hour)
	flags := []string{
		"--database-url", dbtest.URL(t, database.SQLite), "--secret-key", zeroKey, "--tls-cert", cert, "--tls-key", key,
	}
	right := slices.Concat(flags, []string{"--public-url", "https://canopy.example.com"})
	said, stop := serveWith(t, right...)
	until(t, said, `"listening"`)
	addr := regexp.MustCompile(`"addr":"([^"]+)"`).FindStringSubmatch(said.text())[1]
	if said, code := runProgram(t, append([]string{"healthcheck", "--addr", addr}, right...)...); code != 0 {
		t.Errorf("healthcheck: %s", said)
	}
	if said, code := runProgram(t, "healthcheck", "--addr", addr); code == 0 {
		t.Errorf("plain HTTP is answered: %s", said)
	}
	doctor, code := runProgram(t, append([]string{"doctor"}, right...)...)
	if code != 0 || !strings.Contains(doctor, "ok    tls") ||
		!strings.Contains(doctor, "the certificate expires in 240h0m0s") {
		t.Errorf("doctor: %s", doctor)
	}
	other := slices.Concat(flags, []string{"--public-url", "https://other.example.com"})
	if doctor, code := runProgram(t, append([]string{"doctor"}, other...)...); code == 0 ||
		!strings.Contains(doctor, "FAIL  tls") {
		t.Errorf("doctor of another host: %s", doctor)
	}
	if code := stop(); code != 0 || said.count("will refuse it") != 0 {
		t.Errorf("it ends with %d: %s", code, said.text())
	}
}

// TestSettingsOfTLSGoTogether: what does not, ends the start and names the setting.
func TestSettingsOfTLSGoTogether(t *testing.T) {
	t.Parallel()
	cert, key := certificateFiles(t, "canopy.example.com", time.Hour)
	old, oldKey := certificateFiles(t, "canopy.example.com", -time.Minute)
	const pg = "postgres://db.example.com/canopy"
	const http, https = "http://canopy.example.com", "https://canopy.example.com"
	for want, flags := range map[string][]string{
		"CANOPY_TLS_KEY must be set":      {"--public-url", https, "--tls-cert", cert},
		"CANOPY_TLS_CERT must be set":     {"--public-url", https, "--tls-key", key},
		"CANOPY_PUBLIC_URL must be https": {"--public-url", http, "--tls-cert", cert, "--tls-key", key},
		"CANOPY_TLS_ACME and CANOPY_TLS_CERT are both set": {
			"--public-url", https, "--tls-acme", "on", "--tls-cert", cert, "--tls-key", key,
		},
		"CANOPY_TLS_ACME must be off, on":   {"--public-url", https, "--tls-acme", "http://ca.example.com/dir"},
		"must be https, without a port":     {"--public-url", https + ":8443", "--tls-acme", "on"},
		"must name a host such as":          {"--public-url", "https://192.0.2.1", "--tls-acme", "on"},
		"one process only may prove a host": {"--public-url", https, "--tls-acme", "on", "--database-url", pg},
		"does not match public key":         {"--public-url", https, "--tls-cert", cert, "--tls-key", oldKey},
		"CANOPY_TLS_CERT: " + old + " has":  {"--public-url", https, "--tls-cert", old, "--tls-key", oldKey},
	} {
		db := "sqlite:" + filepath.Join(t.TempDir(), "canopy.db")
		serving := []string{"serve", "--addr", "127.0.0.1:0", "--database-url", db}
		said, code := runProgram(t, slices.Concat(serving, flags)...)
		if code != 1 || !strings.Contains(said, want) {
			t.Errorf("%d, want %q: %s", code, want, said)
		}
	}
}
