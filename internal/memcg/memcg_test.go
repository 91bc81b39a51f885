package memcg

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	mountV2     = "35 24 0:30 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw,nsdelegate\n"
	mountV1     = "40 30 0:28 / /sys/fs/cgroup/memory rw,nosuid shared:9 - cgroup cgroup rw,memory\n"
	mountHybrid = mountV1 + "41 30 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
	mountDocker = "40 30 0:28 /docker/abc /sys/fs/cgroup/memory ro,nosuid master:9 - cgroup cgroup rw,memory\n"
)

var locateCases = []struct {
	name, membership, mountinfo string
	files                       []string
	dir                         string // empty: unsupported
	version                     Version
	levelsUp                    int
}{
	{"v2 private namespace", "0::/\n", mountV2, []string{"/sys/fs/cgroup/memory.events"}, "/sys/fs/cgroup", V2, 0},
	{"v2 host namespace", "0::/kubepods.slice/pod1\n", mountV2,
		[]string{"/sys/fs/cgroup/kubepods.slice/pod1/memory.events"}, "/sys/fs/cgroup/kubepods.slice/pod1", V2, 0},
	{"v2 root without the file", "0::/\n", mountV2, nil, "", 0, 0},
	{"v1 docker", "4:memory:/docker/abc\n0::/\n", mountDocker,
		[]string{"/sys/fs/cgroup/memory/memory.oom_control"}, "/sys/fs/cgroup/memory", V1, 0},
	{"v1 namespace", "4:memory:/\n", mountV1,
		[]string{"/sys/fs/cgroup/memory/memory.oom_control"}, "/sys/fs/cgroup/memory", V1, 0},
	{"v1 with two controllers on one mount", "4:cpu,memory:/a\n", strings.Replace(mountV1, "rw,memory", "rw,cpu,memory", 1),
		[]string{"/sys/fs/cgroup/memory/a/memory.oom_control"}, "/sys/fs/cgroup/memory/a", V1, 0},
	{"hybrid", "4:memory:/a\n0::/b\n", mountHybrid,
		[]string{"/sys/fs/cgroup/memory/a/memory.oom_control"}, "/sys/fs/cgroup/memory/a", V1, 0},
	{"leaf without the controller, nestybox/sysbox#1030", "0::/a/b/c\n", mountV2,
		[]string{"/sys/fs/cgroup/a/memory.events"}, "/sys/fs/cgroup/a", V2, 2},
	{"v1 never walks up", "4:memory:/a/b\n", mountV1,
		[]string{"/sys/fs/cgroup/memory/a/memory.oom_control"}, "", 0, 0},
	{"docker in docker v1", "4:memory:/docker/abc/docker/def\n",
		strings.Replace(mountDocker, "/docker/abc", "/docker/abc/docker/def", 1),
		[]string{"/sys/fs/cgroup/memory/memory.oom_control"}, "/sys/fs/cgroup/memory", V1, 0},
	{"rootless", "0::/user.slice/user-1000.slice/user@1000.service/app\n", mountV2,
		[]string{"/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/memory.events"},
		"/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service", V2, 1},
	{"outside the namespace", "0::/../x\n", mountV2, []string{"/sys/fs/cgroup/memory.events", "/sys/fs/x/memory.events"}, "", 0, 0},
	{"prefix not at a boundary", "4:memory:/docker/abcd\n", mountDocker,
		[]string{"/sys/fs/cgroup/memory/memory.oom_control", "/sys/fs/cgroup/memoryd/memory.oom_control"}, "", 0, 0},
	{"octal escapes", "0::/a\n", strings.Replace(mountV2, "/sys/fs/cgroup", `/my\040cg\134x`, 1),
		[]string{`/my cg\x/a/memory.events`}, `/my cg\x/a`, V2, 0},
	{"colons", "0::/system.slice/docker:abc:x\n", mountV2,
		[]string{"/sys/fs/cgroup/system.slice/docker:abc:x/memory.events"}, "/sys/fs/cgroup/system.slice/docker:abc:x", V2, 0},
	{"look-alike name", "0::/a\n", `36 24 0:31 / /x\040-\040cgroup2 rw - tmpfs tmpfs rw` + "\n" + mountV2,
		[]string{"/sys/fs/cgroup/a/memory.events"}, "/sys/fs/cgroup/a", V2, 0},
	{"look-alike type", "0::/\n", strings.Replace(mountV2, "cgroup2", "cgroup2x", 1),
		[]string{"/sys/fs/cgroup/memory.events"}, "", 0, 0},
	{"look-alike option", "4:memory:/\n", strings.Replace(mountV1, "rw,memory", "rw,name=memory", 1),
		[]string{"/sys/fs/cgroup/memory/memory.oom_control"}, "", 0, 0},
	{"overlay line of 100 KiB", "0::/\n",
		"30 1 0:9 / / rw - overlay overlay rw,lowerdir=" + strings.Repeat("/l:", 34<<10) + "\n" + mountV2,
		[]string{"/sys/fs/cgroup/memory.events"}, "/sys/fs/cgroup", V2, 0},
	{"truncated line", "0::/\n", "35 24 0:30 / - cgroup2\n35 - cgroup\n" + mountV2,
		[]string{"/sys/fs/cgroup/memory.events"}, "/sys/fs/cgroup", V2, 0},
	{"no newline at the end", "0::/", strings.TrimSuffix(mountV2, "\n"),
		[]string{"/sys/fs/cgroup/memory.events"}, "/sys/fs/cgroup", V2, 0},
	{"deleted", "0::/a (deleted)\n", mountV2, []string{"/sys/fs/cgroup/a/memory.events"}, "/sys/fs/cgroup/a", V2, 0},
	{"truncated membership", "4:memory\n", mountV1, []string{"/sys/fs/cgroup/memory/memory.oom_control"}, "", 0, 0},
	{"no membership", "", mountV2, []string{"/sys/fs/cgroup/memory.events"}, "", 0, 0},
	{"no mount", "0::/\n", "", []string{"/sys/fs/cgroup/memory.events"}, "", 0, 0},
}

func TestLocate(t *testing.T) {
	for _, c := range locateCases {
		t.Run(c.name, func(t *testing.T) {
			got, err := locate([]byte(c.membership), []byte(c.mountinfo), func(file string) bool {
				for _, f := range c.files {
					if f == file {
						return true
					}
				}
				return false
			})
			if c.dir == "" {
				if !errors.Is(err, ErrUnsupported) {
					t.Fatalf("got %+v, %v", got, err)
				}
				return
			}
			if err != nil || got.Dir != c.dir || got.Version != c.version || got.LevelsUp != c.levelsUp {
				t.Fatalf("got %+v, %v", got, err)
			}
		})
	}
}

func TestParseEvents(t *testing.T) {
	for _, c := range []struct {
		text string
		want Counters
		ok   bool
	}{
		{"low 0\nhigh 1\nmax 2\noom 3\noom_kill 4\noom_group_kill 5\n", Counters{OOMKill: 4, OOM: 3, LimitHit: 2, OOMGroupKill: 5}, true},
		{"oom_kill_disable 0\nunder_oom 0\noom_kill 7\n", Counters{OOMKill: 7}, true},
		{"oom_kill_disable 0\nunder_oom 0\n", Counters{}, false},
		{"oom 9\n", Counters{OOM: 9}, false}, // containerd/containerd#6323: oom is not oom_kill
		{"sock_throttled 4\noom_kill 1", Counters{OOMKill: 1}, true},
		{"oom_kill -1\n", Counters{}, false},
		{"oom_kill\n", Counters{}, false},
		{"oom_kill 18446744073709551616\n", Counters{}, false},
		{"", Counters{}, false},
	} {
		if got, ok := parseEvents([]byte(c.text)); got != c.want || ok != c.ok {
			t.Errorf("%q: %+v %v", c.text, got, ok)
		}
	}
}

func TestParseBytes(t *testing.T) {
	for _, c := range []struct {
		text string
		want Bytes
		ok   bool
	}{
		{"max\n", Unlimited, true}, {"0\n", 0, true}, {"1048576\n", 1 << 20, true}, {"4096", 4096, true},
		{"9223372036854771712\n", Unlimited, true}, {"9223372036854710272\n", Unlimited, true},
		{"18446744073709551615\n", Unlimited, true}, {"18446744073709551616\n", 0, false},
		{"", 0, false}, {"\n", 0, false}, {"-1\n", 0, false}, {"1 2\n", 0, false}, {"maximum\n", 0, false},
	} {
		if got, ok := parseBytes([]byte(c.text)); got != c.want || ok != c.ok {
			t.Errorf("%q: %d %v", c.text, got, ok)
		}
	}
}

// fake makes a root directory of fake files; names are relative to it.
func fake(t testing.TB, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func v2Files() map[string]string {
	return map[string]string{
		"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": mountV2,
		"sys/fs/cgroup/memory.events":    "low 0\nhigh 0\nmax 2\noom 3\noom_kill 4\n",
		"sys/fs/cgroup/memory.max":       "67108864\n",
		"sys/fs/cgroup/memory.current":   "1000\n",
		"sys/fs/cgroup/memory.peak":      "67000000\n",
		"sys/fs/cgroup/memory.oom.group": "1\n",
	}
}

func TestOpenV2(t *testing.T) {
	g, err := Open(fake(t, v2Files()))
	if err != nil {
		t.Fatal(err)
	}
	g.OpenRest()
	defer func() { _ = g.Close() }()
	if c, err := g.Counters(); err != nil || c != (Counters{OOMKill: 4, OOM: 3, OwnOOM: 3, LimitHit: 2}) {
		t.Errorf("got %+v, %v", c, err)
	}
	limit, limitOK := g.Limit()
	usage, usageOK := g.Usage()
	if !limitOK || !usageOK || limit != 64<<20 || usage != 1000 || !g.OOMGroup || !g.PeakAtLimit() {
		t.Errorf("limit %d, usage %d, group %v, peak at limit %v", limit, usage, g.OOMGroup, g.PeakAtLimit())
	}
	if _, ok := g.PollFD(); !ok {
		t.Error("v2 can be polled")
	}
}

func TestOpenWithoutOptionalFiles(t *testing.T) {
	files := v2Files()
	for name := range files {
		if strings.HasPrefix(name, "sys") && filepath.Base(name) != "memory.events" {
			delete(files, name)
		}
	}
	g, err := Open(fake(t, files))
	if err != nil {
		t.Fatal(err)
	}
	g.OpenRest()
	defer func() { _ = g.Close() }()
	_, limit := g.Limit()
	_, usage := g.Usage()
	_, peak := g.Peak()
	if limit || usage || peak || g.OOMGroup || g.PeakAtLimit() {
		t.Error("a file that does not exist was read")
	}
}

func TestOpenV1(t *testing.T) {
	dir := "sys/fs/cgroup/memory/"
	g, err := Open(fake(t, map[string]string{
		"proc/self/cgroup": "4:memory:/docker/abc\n0::/\n", "proc/self/mountinfo": mountDocker,
		dir + "memory.oom_control":    "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n",
		dir + "memory.failcnt":        "6\n",
		dir + "memory.memsw.failcnt":  "3\n",
		dir + "memory.limit_in_bytes": "9223372036854771712\n",
	}))
	if err != nil {
		t.Fatal(err)
	}
	g.OpenRest()
	defer func() { _ = g.Close() }()
	if c, err := g.Counters(); err != nil || c != (Counters{OOMKill: 5, LimitHit: 9}) {
		t.Errorf("got %+v, %v", c, err)
	}
	if limit, ok := g.Limit(); !ok || limit != Unlimited {
		t.Errorf("limit %d %v", limit, ok)
	}
	if _, ok := g.PollFD(); ok {
		t.Error("v1 cannot be polled")
	}
}

func TestOpenUnsupported(t *testing.T) {
	noLine := v2Files()
	noLine["sys/fs/cgroup/memory.events"] = "low 0\noom 0\n"
	noEvents := v2Files()
	delete(noEvents, "sys/fs/cgroup/memory.events")
	noMounts := v2Files()
	delete(noMounts, "proc/self/mountinfo")
	for name, files := range map[string]map[string]string{
		"no oom_kill line": noLine, "no memory.events": noEvents, "no mountinfo": noMounts, "nothing": {},
	} {
		if g, err := Open(fake(t, files)); !errors.Is(err, ErrUnsupported) {
			t.Errorf("%s: %+v, %v", name, g, err)
		}
	}
	if _, err := Open(fake(t, map[string]string{})); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the cause is lost: %v", err)
	}
}

func TestCountersDoNotAllocate(t *testing.T) {
	g, err := Open(fake(t, v2Files()))
	if err != nil {
		t.Fatal(err)
	}
	g.OpenRest()
	defer func() { _ = g.Close() }()
	if n := testing.AllocsPerRun(100, func() { _, _ = g.Counters() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzParseMountinfo(f *testing.F) {
	for _, c := range locateCases {
		if len(c.mountinfo) < 4096 {
			f.Add([]byte(c.mountinfo))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, m := range parseMountinfo(text) {
			if m.fsType != "cgroup" && m.fsType != "cgroup2" {
				t.Errorf("type %q", m.fsType)
			}
		}
	})
}

func FuzzLocate(f *testing.F) {
	for _, c := range locateCases {
		if len(c.mountinfo) < 4096 {
			f.Add([]byte(c.membership), []byte(c.mountinfo))
		}
	}
	f.Fuzz(func(t *testing.T, membership, mountinfo []byte) {
		for _, answer := range []bool{true, false} {
			l, err := locate(membership, mountinfo, func(string) bool { return answer })
			if err != nil && !errors.Is(err, ErrUnsupported) {
				t.Errorf("cannot be told apart: %v", err)
			}
			if err == nil && (!answer || l.LevelsUp < 0) {
				t.Errorf("got %+v", l)
			}
		}
	})
}

func FuzzParseEvents(f *testing.F) {
	f.Add([]byte("low 0\nmax 2\noom 3\noom_kill 4\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if c, ok := parseEvents(text); !ok && c.OOMKill != 0 {
			t.Errorf("got %+v", c)
		}
	})
}

func FuzzParseBytes(f *testing.F) {
	f.Add([]byte("max\n"))
	f.Add([]byte("9223372036854771712\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if v, ok := parseBytes(text); !ok && v != 0 {
			t.Errorf("got %d", v)
		}
	})
}
