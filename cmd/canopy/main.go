// Command canopy is the whole product: server, migrations and tools in one.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"canopy.dev/canopy/internal/command"
)

// version is set at build time.
var version = "dev"

func main() {
	syscall.Umask(0o077) // what we make, and what libraries make for us, is for our user alone
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // whoever says it twice doesn't want to wait
	p := &command.Program{Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Version: version}
	code := p.Run(ctx)
	stop()
	os.Exit(code)
}
