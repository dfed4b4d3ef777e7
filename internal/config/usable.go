package config

import (
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

// unknownMemory is what a machine is taken to have that doesn't say.
const unknownMemory = 4 << 30

// usable is how many bytes of memory the process may use: those of the machine, of the
// control groups it is in, and of GOMEMLIMIT, whichever are least.
func usable() int64 {
	least := memoryUnder("/")
	if least == math.MaxInt64 {
		least = unknownMemory
	}
	return min(least, debug.SetMemoryLimit(-1))
}

// memoryUnder is the memory of the machine and of the process's control groups as the files
// of Linux below root tell it; the largest number where none does.
func memoryUnder(root string) int64 {
	least := int64(math.MaxInt64)
	for line := range strings.Lines(read(root, "proc/meminfo")) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "MemTotal:" {
			if n, ok := size(f[1] + "KiB"); ok {
				least = n
			}
		}
	}
	// Version 2 has one tree, with a limit at any height; version 1 one for memory.
	for line := range strings.Lines(read(root, "proc/self/cgroup")) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 || f[1] != "" && f[1] != "memory" {
			continue
		}
		tree, name := "sys/fs/cgroup", "memory.max"
		if f[1] == "memory" {
			tree, name = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		}
		for group := path.Clean("/" + f[2]); ; group = path.Dir(group) {
			n, err := strconv.ParseInt(strings.TrimSpace(read(root, path.Join(tree, group, name))), 10, 64)
			if err == nil && n > 0 {
				least = min(least, n)
			}
			if group == "/" {
				break
			}
		}
	}
	return least
}

// read gives a file of Linux, nothing where it isn't there.
func read(root, name string) string {
	raw, err := os.ReadFile(path.Join(root, name))
	if err != nil {
		return ""
	}
	return string(raw)
}
