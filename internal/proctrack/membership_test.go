package proctrack

import (
	"os"
	"strings"
	"testing"
)

func TestMemoryPath(t *testing.T) {
	const v1 = "12:pids:/docker/a\n4:cpu,memory:/docker/b:c\n3:memoryx:/no\n1:name=systemd:/docker/a\n0::/docker/u\n"
	for _, test := range []struct {
		text string
		v1   bool
		path string
		ok   bool
	}{
		{v1, true, "/docker/b:c", true},
		{v1, false, "/docker/u", true},
		{"0::/\n", false, "/", true},
		{"0::/\n", true, "", false},
		{"0::/a b", false, "/a b", true},
		{"", false, "", false},
		{":::", true, "", false},
		{"0:\n0", false, "", false},
	} {
		if path, ok := memoryPath([]byte(test.text), test.v1); path != test.path || ok != test.ok {
			t.Errorf("%q, v1 %v: %q, %v", test.text, test.v1, path, ok)
		}
	}
}

func TestHolds(t *testing.T) {
	for _, test := range []struct {
		own, path string
		want      bool
	}{
		{"/docker/a", "/docker/a", true}, {"/docker/a", "/docker/a/below", true}, {"/docker/a", "/docker/ab", false},
		{"/docker/a", "/docker", false}, {"/", "/", true}, {"/", "/x", true}, {"/a", "/", false}, {"/a", "", false},
		{"/", "/../sibling", false}, {"/", "/..", false}, {"/", "/..x", true},
	} {
		if got := (membership{path: test.own}).holds(test.path); got != test.want {
			t.Errorf("%q holds %q: %v", test.own, test.path, got)
		}
	}
}

// Where we are not PID 1, who shares the memory cgroup counts although it does not descend from us.
func TestShares(t *testing.T) {
	tracker := newTracker(t)
	tracker.init = false
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	path, v1 := memoryPath(text, true)
	if !v1 {
		path, _ = memoryPath(text, false)
	}
	parent := stat{pid: os.Getppid(), ppid: 999999999}
	if _, ours := tracker.origin(parent); ours {
		t.Error("a stranger is ours")
	}
	tracker.SetCgroup(v1, path)
	if origin, ours := tracker.origin(parent); !ours || origin != Exec {
		t.Errorf("who shares the cgroup: %v, %v", origin, ours)
	}
	tracker.SetCgroup(v1, "/somewhere else")
	if _, ours := tracker.origin(parent); ours {
		t.Error("a stranger of another cgroup is ours")
	}
	tracker.init = true
	if _, ours := tracker.origin(stat{pid: os.Getppid()}); ours {
		t.Error("PID 1 takes a session of another container that shares its pid namespace for its own")
	}
}

func FuzzMemoryPath(f *testing.F) {
	f.Add([]byte("4:memory:/docker/b:c\n0::/docker/u\n"), true)
	f.Fuzz(func(t *testing.T, text []byte, v1 bool) {
		if path, ok := memoryPath(text, v1); ok && strings.Contains(path, "\n") {
			t.Errorf("%q", path)
		}
	})
}
