package config

import (
	"math"
	"os"
	"path/filepath"
	"testing"
)

func TestUsableMemory(t *testing.T) {
	t.Parallel()
	const meminfo, in2, in1 = "MemTotal:       16384000 kB\nMemFree: 1 kB\n", "0::/a/b\n", "3:cpu:/x\n4:memory:/a\n"
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"nothing is told": {nil, math.MaxInt64},
		"the machine":     {map[string]string{"proc/meminfo": meminfo}, 16384000 << 10},
		"a group": {map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": in2, "sys/fs/cgroup/a/b/memory.max": "1048576\n",
		}, 1 << 20},
		"a group above": {map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": in2, "sys/fs/cgroup/a/b/memory.max": "max\n",
			"sys/fs/cgroup/a/memory.max": "2097152\n",
		}, 2 << 20},
		"in a container": {map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "3145728\n",
		}, 3 << 20},
		"version 1": {map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": in1, "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "4194304\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
		}, 4 << 20},
		"a group larger than the machine": {map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": in2, "sys/fs/cgroup/a/b/memory.max": "99999999999999\n",
		}, 16384000 << 10},
		"nonsense": {map[string]string{"proc/meminfo": "MemTotal: x kB", "proc/self/cgroup": "0::"}, math.MaxInt64},
	} {
		root := t.TempDir()
		for file, text := range c.files {
			path := filepath.Join(root, file)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := memoryUnder(root); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestDecisionMemory(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]int{
		"512MiB": 512 << 20, "1MiB": 1 << 20, "8GiB": 8 << 30, "1048575": -1, "0": -1, "x": -1, "25%": -1,
	} {
		c := &Checked{}
		c.DecisionMemory = given
		err := c.checkSizes()
		if want < 0 && err == nil || want >= 0 && (err != nil || c.DecisionBytes != want) {
			t.Errorf("%q: %d, %v", given, c.DecisionBytes, err)
		}
	}
	c := &Checked{}
	if err := c.checkSizes(); err != nil || c.DecisionBytes < 64<<20 {
		t.Errorf("when not set: %d, %v", c.DecisionBytes, err)
	}
}
