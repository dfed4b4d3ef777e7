package config

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"canopy.dev/canopy/internal/foundation/secret"
)

// Keys come as a list from the variable, from its file and from secret.key; the first
// seals.
func TestSecretKeysAreAListWhereverTheyStand(t *testing.T) {
	t.Parallel()
	old, fresh := secret.NewKey(), secret.NewKey()
	want := boxIn(t, &Checked{Settings: Settings{SecretKey: fresh}}).Head()
	list := fresh + ", " + old + "\n"
	dir := t.TempDir()
	for _, name := range []string{"named", "secret.key"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(list), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	beside := "sqlite:" + filepath.Join(dir, "canopy.db")
	for name, s := range map[string]Settings{
		"variable": {SecretKey: strings.TrimSpace(list), DatabaseURL: "postgres://localhost/canopy"},
		"file":     {SecretKeyFile: filepath.Join(dir, "named"), DatabaseURL: "postgres://localhost/canopy"},
		"beside":   {DatabaseURL: beside},
	} {
		if err := fromFile(&s.SecretKey, s.SecretKeyFile, "CANOPY_SECRET_KEY"); err != nil {
			t.Fatal(err)
		}
		box := boxIn(t, &Checked{Settings: s})
		if !bytes.Equal(box.Head(), want) {
			t.Errorf("%s: the first key does not seal", name)
		}
		byOld := boxIn(t, &Checked{Settings: Settings{SecretKey: old}}).Seal([]byte("x"), "row")
		if _, err := box.Open(byOld, "row"); err != nil {
			t.Errorf("%s: the second key does not open: %v", name, err)
		}
	}
}

func boxIn(t *testing.T, c *Checked) *secret.Box {
	t.Helper()
	box, err := c.KnownBox()
	if err != nil {
		t.Fatal(err)
	}
	return box
}

// A bad list is told in one line that shows no key.
func TestBadSecretKeysStopTheStart(t *testing.T) {
	t.Parallel()
	a, b := secret.NewKey(), secret.NewKey()
	many := make([]string, secret.MaxKeys+1)
	for i := range many {
		many[i] = secret.NewKey()
	}
	for list, says := range map[string]string{
		",":                     "key 1 of 2 must be 32 bytes",
		a + ",":                 "key 2 of 2 must be 32 bytes",
		"," + a:                 "key 1 of 2 must be 32 bytes",
		a + ",," + b:            "key 2 of 3 must be 32 bytes",
		a + b:                   "key 1 of 1 must be 32 bytes",
		a + ";" + b:             "key 1 of 1 must be 32 bytes",
		a[4:]:                   "key 1 of 1 must be 32 bytes",
		a + "," + b[8:]:         "key 2 of 2 must be 32 bytes",
		a + "," + b + "," + a:   "keys 1 and 3 are the same",
		strings.Join(many, ","): "there must be 1 to 8 keys",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "secret.key"), []byte(list), 0o600); err != nil {
			t.Fatal(err)
		}
		_, given := Settings{DatabaseURL: DefaultDatabase, PublicURL: "http://localhost", SecretKey: list}.Check()
		_, beside := (&Checked{Settings: Settings{DatabaseURL: "sqlite:" + dir + "/canopy.db"}}).Box()
		for where, err := range map[string]error{"CANOPY_SECRET_KEY": given, "secret.key": beside} {
			if err == nil || !strings.Contains(err.Error(), where+": "+says) {
				t.Errorf("%s: %v, want %s", where, err, says)
			} else if strings.Contains(err.Error(), a[:8]) || strings.Contains(err.Error(), b[:8]) {
				t.Errorf("a key is shown: %v", err)
			}
		}
	}
}

// An empty file is a slip: it never means that a key is made.
func TestEmptyKeyFilesAreRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "secret.key")
	if err := os.WriteFile(path, []byte(" \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	url := "sqlite:" + filepath.Join(dir, "canopy.db")
	_, err := Settings{DatabaseURL: url, PublicURL: "http://localhost", SecretKeyFile: path}.Check()
	if err == nil || !strings.Contains(err.Error(), "CANOPY_SECRET_KEY_FILE: "+path+" is empty") {
		t.Error(err)
	}
	if _, err := (&Checked{Settings: Settings{DatabaseURL: url}}).Box(); err == nil {
		t.Error("an empty secret.key is taken")
	}
}

// Only a start makes a key: what comes beside a server does not.
func TestOnlyTheStartMakesAKey(t *testing.T) {
	t.Parallel()
	c := &Checked{Settings: Settings{DatabaseURL: "sqlite:" + filepath.Join(t.TempDir(), "data", "canopy.db")}}
	if _, err := c.KnownBox(); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	made, err := c.Box()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(made.Head(), boxIn(t, c).Head()) {
		t.Error("another key was kept than the one that was given")
	}
}
