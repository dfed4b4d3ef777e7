package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"canopy.dev/canopy/internal/platform/database"
)

// benchStart starts a server on an existing database, again and again, and looks
// at its memory after ten idle seconds.
func benchStart(ctx context.Context, o options, engine database.Engine) error {
	info, err := os.Stat(o.binary)
	if err != nil {
		return err
	}
	fmt.Printf("binary %.1f MB\n", float64(info.Size())/1e6)
	i, err := newInstance(ctx, o, engine)
	if err != nil {
		return err
	}
	defer i.close()
	t, err := rounds(0, nil)
	if err != nil {
		return err
	}
	for range 11 {
		d, err := i.start(ctx)
		if err != nil {
			return err
		}
		t = append(t, d)
		i.stop()
	}
	fmt.Printf("start to the first 200 on /readyz: %v\n", t)
	if _, err := i.start(ctx); err != nil {
		return err
	}
	time.Sleep(10 * time.Second)
	rss, err := i.resident()
	fmt.Printf("resident memory, idle: %.1f MB\n", float64(rss)/1e6)
	return err
}
