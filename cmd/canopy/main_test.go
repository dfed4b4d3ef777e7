package main

import (
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"canopy": main})
}

// TestCommands runs the scripts of testdata against the real program, each in an
// empty directory with a free port of its own, $ADDR.
//
//	lines N FILE    the file has N lines
//	loosen FILE…    lets everybody read and write
//	private FILE…   nobody but their user may read the files and folders
//	hardlink A B    makes B another name of A
//	ready           waits until the server at $ADDR says that it is ready
func TestCommands(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			e.Setenv("ADDR", ln.Addr().String())
			return ln.Close()
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"lines": func(ts *testscript.TestScript, neg bool, args []string) {
				if len(args) != 2 {
					ts.Fatalf("usage: lines N FILE")
				}
				n := strings.Count(ts.ReadFile(args[1]), "\n")
				if (strconv.Itoa(n) == args[0]) == neg {
					ts.Fatalf("%s has %d lines", args[1], n)
				}
			},
			"loosen": func(ts *testscript.TestScript, _ bool, args []string) {
				for _, name := range args {
					ts.Check(os.Chmod(ts.MkAbs(name), 0o666))
				}
			},
			"private": func(ts *testscript.TestScript, _ bool, args []string) {
				for _, name := range args {
					info, err := os.Stat(ts.MkAbs(name))
					ts.Check(err)
					if info.Mode().Perm()&0o077 != 0 {
						ts.Fatalf("%s is %v", name, info.Mode())
					}
				}
			},
			"hardlink": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(os.Link(ts.MkAbs(args[0]), ts.MkAbs(args[1])))
			},
			"ready": func(ts *testscript.TestScript, _ bool, _ []string) {
				for range 600 {
					if ts.Exec("canopy", "healthcheck", "--url", "http://"+ts.Getenv("ADDR")) == nil {
						return
					}
					time.Sleep(50 * time.Millisecond)
				}
				ts.Fatalf("no server at %s", ts.Getenv("ADDR"))
			},
		},
	})
}
