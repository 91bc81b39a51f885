package memcg

import (
	"errors"
	"os"
	"path"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxNested bounds the cgroups below ours that are looked at: each takes two file descriptors.
const maxNested = 32

// nested counts the kills in the v1 cgroups below ours. v1's memory.oom_control counts its own cgroup only, where v2's
// memory.events counts all below it too. A new cgroup is noticed by the number of links of its parent, one for each
// directory in it, so that looking costs one system call as long as there is none.
type nested struct {
	root   *nestedGroup // ours; its kills are counted elsewhere
	groups []*nestedGroup
	kills  uint64
	buffer [1024]byte
}

// nestedGroup is one open cgroup.
type nestedGroup struct {
	path   string // below ours
	dir    int
	events int // -1 for the root
	links  uint32
	last   uint64
}

// newNested opens what is there now; kills before that are not counted. Where the directory cannot be opened there is
// nothing nested.
func newNested(dir string) *nested {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	n := &nested{root: &nestedGroup{dir: fd, events: -1}}
	n.findBelow(n.root, true)
	return n
}

func (n *nested) close() {
	if n == nil {
		return
	}
	for _, g := range append(n.groups, n.root) {
		g.close()
	}
}

func (g *nestedGroup) close() {
	_ = unix.Close(g.dir) // both were only read from
	if g.events >= 0 {
		_ = unix.Close(g.events)
	}
}

// read returns the number of kills counted below so far.
func (n *nested) read() uint64 {
	if n == nil {
		return 0
	}
	n.findBelow(n.root, false)
	gone := false
	for i := 0; i < len(n.groups); i++ { // it grows on the way
		g := n.groups[i]
		n.findBelow(g, false)
		length, err := pread(g.events, n.buffer[:])
		if err != nil { // ENODEV: it was removed
			gone = gone || errors.Is(err, unix.ENODEV)
			continue
		}
		if c, ok := parseEvents(n.buffer[:length]); ok && c.OOMKill > g.last {
			n.kills += c.OOMKill - g.last
			g.last = c.OOMKill
		}
	}
	if gone {
		n.removeGone()
	}
	return n.kills
}

func (n *nested) removeGone() {
	left := n.groups[:0]
	for _, g := range n.groups {
		if _, err := pread(g.events, n.buffer[:]); errors.Is(err, unix.ENODEV) {
			g.close()
			continue
		}
		left = append(left, g)
	}
	clear(n.groups[len(left):])
	n.groups = left
}

// findBelow opens the cgroups in g that are new. Those that were there from the start begin with the kills that they
// have; one that came later had none before.
func (n *nested) findBelow(g *nestedGroup, start bool) {
	links, ok := linksOf(g.dir)
	if !ok || links == g.links {
		return
	}
	g.links = links
	if links <= 2 { // its own two
		return
	}
	for _, name := range directories(g.dir) {
		below := path.Join(g.path, name)
		if len(n.groups) == maxNested || n.has(below) {
			continue
		}
		opened, ok := n.open(g, name, below)
		if !ok {
			continue
		}
		if start {
			if length, err := pread(opened.events, n.buffer[:]); err == nil {
				c, _ := parseEvents(n.buffer[:length])
				opened.last = c.OOMKill
			}
		}
		n.groups = append(n.groups, opened)
		n.findBelow(opened, start)
	}
}

func (n *nested) has(below string) bool {
	for _, g := range n.groups {
		if g.path == below {
			return true
		}
	}
	return false
}

func (n *nested) open(parent *nestedGroup, name, below string) (*nestedGroup, bool) {
	dir, err := unix.Openat(parent.dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, false
	}
	events, err := unix.Openat(dir, V1.eventsFile(), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		_ = unix.Close(dir) // only opened
		return nil, false
	}
	return &nestedGroup{path: below, dir: dir, events: events}, true
}

// linksOf returns the number of links of an open directory.
func linksOf(dir int) (uint32, bool) {
	var st unix.Statx_t
	empty := [1]byte{}
	_, _, errno := unix.RawSyscall6(unix.SYS_STATX, uintptr(dir), uintptr(unsafe.Pointer(&empty)), unix.AT_EMPTY_PATH,
		unix.STATX_NLINK, uintptr(unsafe.Pointer(&st)), 0)
	return st.Nlink, errno == 0
}

// directories returns the names of the directories in an open directory.
func directories(dir int) (names []string) {
	fd, err := unix.Openat(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	list := os.NewFile(uintptr(fd), "cgroup")
	defer func() { _ = list.Close() }() // only read from
	entries, _ := list.ReadDir(-1)      // what was read before an error counts
	for _, e := range entries {
		if e.IsDir() && !strings.Contains(e.Name(), "/") {
			names = append(names, e.Name())
		}
	}
	return names
}
