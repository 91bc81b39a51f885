// Package probe finds out what a container gives oominit: it reads /proc and the memory cgroup, and tries on processes that it
// makes for it what can be known of the end of a process. What that is worth, internal/check says.
package probe

import (
	"bytes"
	"debug/buildinfo"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/oominit/oominit/internal/check"
	"github.com/oominit/oominit/internal/memcg"
)

// program is the path of oominit's main package, which every binary of it carries, whatever its file is called.
const program = "github.com/oominit/oominit/cmd/oominit"

// Read returns what files below root tell, which is "/" except in tests. It starts no process.
func Read(root string) *check.Facts {
	f := &check.Facts{Init: readInit(root), Process: readProcess(root)}
	var uts unix.Utsname
	if unix.Uname(&uts) == nil {
		f.Kernel = unix.ByteSliceToString(uts.Release[:])
	}
	readGroup(root, f)
	log := path.Join(root, "dev/termination-log")
	if _, err := os.Stat(log); err == nil {
		f.Message = check.Writable{Present: true, Writable: unix.Faccessat(unix.AT_FDCWD, log, unix.W_OK, unix.AT_EACCESS) == nil}
	}
	f.Proc.HidePID = hidePID(root)
	return f
}

func readInit(root string) check.Init {
	i := check.Init{PID: os.Getpid(), ParentPID: os.Getppid()}
	one := path.Join(root, "proc/1")
	if comm, err := os.ReadFile(path.Join(one, "comm")); err == nil {
		i.PID1 = strings.TrimSuffix(string(comm), "\n")
	}
	exe := path.Join(one, "exe")
	if info, err := buildinfo.ReadFile(exe); err == nil {
		i.IsOominit = info.Path == program
	} else if target, err := os.Readlink(exe); err == nil {
		i.IsOominit = filepath.Base(strings.TrimSuffix(target, " (deleted)")) == "oominit"
	} else {
		i.IsOominit = i.PID1 == "oominit" // another user's program is not shown
	}
	if i.PID == 1 {
		i.IsOominit = false // it is this program
	}
	if i.Subreaper = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == nil; i.Subreaper {
		_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) // it was a trial
	}
	return i
}

func readProcess(root string) (p check.Process) {
	if text, err := os.ReadFile(path.Join(root, "proc/self/oom_score_adj")); err == nil {
		p.OOMScoreAdj, _ = strconv.Atoi(strings.TrimSpace(string(text))) // the kernel writes a number
	}
	var files unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &files) == nil {
		p.Files = files.Cur
	}
	if limit, current, ok := memcg.Pids(root); ok {
		left := limit - min(limit, current-min(current, ownThreads(root)))
		p.PidsLimit, p.PidsLeft = &limit, &left
	}
	return p
}

// ownThreads is how many of the pids are this program's own, and free again when it has ended.
func ownThreads(root string) uint64 {
	entries, err := os.ReadDir(path.Join(root, "proc/self/task"))
	if err != nil {
		return 0
	}
	return uint64(len(entries))
}

func readGroup(root string, f *check.Facts) {
	f.Counters = check.Counters{Cause: cause(root)}
	if location, err := memcg.Find(root); err == nil {
		f.Cgroup = &check.Cgroup{Version: version(root, location.Version), Path: location.Path, Directory: location.Dir, LevelsUp: location.LevelsUp}
	}
	group, err := memcg.Open(root)
	if err != nil {
		f.Counters.Reason = err.Error()
		return
	}
	defer func() { _ = group.Close() }() // only read from
	group.OpenRest()
	counters, err := group.Counters()
	if err != nil {
		f.Counters.Reason = err.Error()
		return
	}
	f.Counters = check.Counters{Readable: true, WokenBy: "timer", Kills: &counters.OOMKill}
	if group.Notifies() {
		f.Counters.WokenBy = "poll"
	}
	f.Cgroup.OOMGroup = group.OOMGroup
	f.Memory = readMemory(path.Join(root, group.Dir), group)
}

// cause tells why counters cannot be read, if they cannot.
func cause(root string) check.Cause {
	if memcg.IsGVisor() {
		return check.GVisor
	}
	for _, name := range []string{"cgroup", "mountinfo"} {
		if _, err := os.Stat(path.Join(root, "proc/self", name)); err != nil {
			return check.NoProc
		}
	}
	if _, err := memcg.Find(root); err != nil {
		return check.NoMount
	}
	return check.NoCount
}

// version tells v1 and hybrid apart: there is a v2 hierarchy too.
func version(root string, v memcg.Version) string {
	if v == memcg.V1 {
		membership, err := os.ReadFile(path.Join(root, "proc/self/cgroup"))
		if err == nil && bytes.Contains(append([]byte("\n"), membership...), []byte("\n0::")) {
			return "hybrid"
		}
	}
	return v.String()
}

func readMemory(dir string, group *memcg.Group) *check.Memory {
	m := &check.Memory{Limit: known(group.Limit()), Usage: known(group.Usage()), Peak: known(group.Peak())}
	if group.Version == memcg.V2 {
		swap, ok := memcg.Amount(path.Join(dir, "memory.swap.max"))
		m.Swap, m.SwapKnown = known(swap, ok), ok
		return m
	}
	if swap, ok := memcg.Amount(path.Join(dir, "memory.memsw.limit_in_bytes")); ok {
		m.SwapKnown = true
		if m.Swap = known(swap, ok); m.Swap != nil && m.Limit != nil {
			*m.Swap -= min(*m.Swap, *m.Limit) // v1 counts both together
		}
	}
	if outer := known(memcg.OuterLimit(dir)); outer != nil && (m.Limit == nil || *outer < *m.Limit) {
		m.Outer = outer
	}
	return m
}

// known returns an amount that can be read and is no absence of a limit.
func known(amount memcg.Bytes, ok bool) *uint64 {
	if !ok || amount == memcg.Unlimited {
		return nil
	}
	return &amount
}

// hidePID returns the option hidepid of the /proc that is seen, which is the last one that was mounted there.
func hidePID(root string) (value string) {
	text, err := os.ReadFile(path.Join(root, "proc/self/mountinfo"))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		before, after, found := strings.Cut(strings.TrimSuffix(line, "\n"), " - proc ")
		if fields := strings.Fields(before); !found || len(fields) < 5 || fields[4] != "/proc" {
			continue
		}
		value = ""
		options := strings.Fields(after)
		for option := range strings.SplitSeq(options[len(options)-1], ",") {
			if v, found := strings.CutPrefix(option, "hidepid="); found {
				value = v
			}
		}
	}
	return value
}
