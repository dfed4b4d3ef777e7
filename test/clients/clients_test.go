package clients_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"
)

// buildFor bounds how long installing and compiling may take.
const buildFor = 5 * time.Minute

func TestMain(m *testing.M) {
	if err := build(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	m.Run()
}

// build installs what the lock file names, unless that is there, and compiles all.
func build() error {
	ctx, cancel := context.WithTimeout(context.Background(), buildFor)
	defer cancel()
	lock, err := os.ReadFile("package-lock.json")
	if err != nil {
		return err
	}
	const mark = "node_modules/.installed"
	sum := sha256.Sum256(lock)
	want := hex.EncodeToString(sum[:])
	if is, err := os.ReadFile(mark); err != nil || string(is) != want {
		if err := run(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"); err != nil {
			return err
		}
		if err := os.WriteFile(mark, []byte(want), 0o600); err != nil {
			return err
		}
	}
	return run(ctx, "node", "node_modules/typescript/bin/tsc")
}

func run(ctx context.Context, program string, args ...string) error {
	if out, err := exec.CommandContext(ctx, program, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %v: %w (this needs Debian's nodejs and npm)\n%s", program, args, err, out)
	}
	return nil
}
