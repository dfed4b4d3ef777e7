package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
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
//	kid FILE        sets $KID to the file's first word
//	addkey FILE     puts another install key before those of the file
//	call FILE [-token FILE] STATUS METHOD PATH [BODY]
//	                calls the server until it answers with the status, for 5 seconds and
//	                some; its answer goes to FILE, an access token of it to FILE.token
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
			"call": call,
			"kid": func(ts *testscript.TestScript, _ bool, args []string) {
				name, _, _ := strings.Cut(ts.ReadFile(args[0]), " ")
				ts.Setenv("KID", name)
			},
			"addkey": func(ts *testscript.TestScript, _ bool, args []string) {
				list := "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=," + ts.ReadFile(args[0])
				ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(list), 0o600))
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

func call(ts *testscript.TestScript, _ bool, args []string) {
	token := ""
	if len(args) > 2 && args[1] == "-token" {
		token = ts.ReadFile(args[2])
		args = slices.Delete(args, 1, 3)
	}
	if len(args) < 4 {
		ts.Fatalf("usage: call FILE [-token FILE] STATUS METHOD PATH [BODY]")
	}
	args = append(args, "")
	for try := 0; ; try++ {
		req, err := http.NewRequestWithContext(context.Background(), args[2],
			"http://"+ts.Getenv("ADDR")+args[3], strings.NewReader(args[4]))
		ts.Check(err)
		req.Header.Set("Content-Type", "application/json")
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		res, err := http.DefaultClient.Do(req)
		ts.Check(err)
		raw, err := io.ReadAll(res.Body)
		ts.Check(errors.Join(err, res.Body.Close()))
		if strconv.Itoa(res.StatusCode) == args[1] {
			ts.Check(os.WriteFile(ts.MkAbs(args[0]), raw, 0o600))
			if found := regexp.MustCompile(`"access_token":"([^"]+)"`).FindSubmatch(raw); found != nil {
				ts.Check(os.WriteFile(ts.MkAbs(args[0]+".token"), found[1], 0o600))
			}
			return
		}
		if try == 120 {
			ts.Fatalf("%s %s answers %d: %s", args[2], args[3], res.StatusCode, raw)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
