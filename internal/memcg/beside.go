package memcg

import (
	"bytes"
	"path"
	"strings"

	"github.com/containerd/cgroups/v3"
	"golang.org/x/sys/unix"
)

// What oominit check asks of cgroups beside the counters. PID 1 needs none of it, and the linker leaves it out.

// Amount reads a file that holds one number of bytes, or the word max; Unlimited for that.
func Amount(file string) (amount Bytes, ok bool) {
	text, err := readFile(file)
	if err != nil {
		return 0, false
	}
	return parseBytes(text)
}

// OuterLimit returns the lowest limit that is set for a v1 memory cgroup by itself or by those above it
// (hierarchical_memory_limit in memory.stat).
func OuterLimit(dir string) (limit Bytes, ok bool) {
	text, err := readFile(path.Join(dir, "memory.stat"))
	if err != nil {
		return 0, false
	}
	for line := range bytes.SplitSeq(text, []byte("\n")) {
		if value, found := bytes.CutPrefix(line, []byte("hierarchical_memory_limit ")); found {
			return parseBytes(value)
		}
	}
	return 0, false
}

// Pids returns the limit on processes and threads that leaves the fewest to this process, and how many count against it now:
// its own cgroup's, or that of one above which can be seen below root. ok is false where no limit is seen.
func Pids(root string) (limit, current uint64, ok bool) {
	membership, err := readFile(path.Join(root, "proc/self/cgroup"))
	if err != nil {
		return 0, 0, false
	}
	mountinfo, err := readFile(path.Join(root, "proc/self/mountinfo"))
	if err != nil {
		return 0, 0, false
	}
	v1Paths, own, err := cgroups.ParseCgroupFromReaderUnified(bytes.NewReader(membership))
	if err != nil {
		return 0, 0, false
	}
	fsType := "cgroup2"
	if v1, isV1 := v1Paths["pids"]; isV1 {
		own, fsType = v1, "cgroup"
	}
	for _, m := range parseMountinfo(mountinfo) {
		below, inside := m.within(own)
		if !inside || m.fsType != fsType || fsType == "cgroup" && !m.hasOption("pids") {
			continue
		}
		for {
			dir := path.Join(root, m.point, below)
			l, limited := Amount(path.Join(dir, "pids.max"))
			c, counted := Amount(path.Join(dir, "pids.current"))
			if limited && counted && l != Unlimited && (!ok || l < limit-min(limit, current)+c) {
				limit, current, ok = l, c, true
			}
			if below == "" {
				break
			}
			below = below[:strings.LastIndexByte(below, '/')]
		}
	}
	return limit, current, ok
}

// Notifies reports whether the kernel lets us wait for changes of the counters: the descriptor of PollFD can be polled.
func (g *Group) Notifies() bool {
	fd, ok := g.PollFD()
	if !ok {
		return false
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return false
	}
	defer func() { _ = unix.Close(epoll) }() // holds no data
	return unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLPRI, Fd: int32(fd)}) == nil
}
