package memcg

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Group is an open memory cgroup. Its files stay open from Open to the end of the program, so that no later mount,
// chroot or shortage of file descriptors can hide them. It is not safe for concurrent use.
type Group struct {
	Location
	// OOMGroup says that memory.oom.group was 1 when OpenRest was called: the next OOM kill takes every process of
	// the cgroup, this one included. The kubelet sets it on v2 since 1.28.
	OOMGroup bool

	dir      string
	events   int // file descriptors; -1 where the kernel has no such file
	usage    int
	limit    int
	peak     int
	limitHit int     // v1 only: on v2 it is a line of events
	swapHit  int     // v1 only: the same of the limit with swap
	local    int     // v2 only: the events of this cgroup without those below it, Linux 5.2
	nested   *nested // v1 only: on v2 events tell of those below too

	// buffer serves all reads; the longest of the files, memory.events, has about 120 bytes.
	buffer [1024]byte
}

// gVisorBuild is the constant that gVisor's sentry answers as the build of its kernel (pkg/sentry/syscalls/linux,
// sys_utsname). Its cgroup files exist, but nothing in them ever moves.
const gVisorBuild = "#1 SMP Sun Jan 10 15:06:54 PST 2016"

// IsGVisor reports whether the kernel is gVisor's sentry.
func IsGVisor() bool {
	var uts unix.Utsname
	return unix.Uname(&uts) == nil && unix.ByteSliceToString(uts.Version[:]) == gVisorBuild
}

// Open finds the memory cgroup of this process and opens the file that counts OOM kills; root is "/" except in tests.
// Errors wrap ErrUnsupported. A kernel that shows the files but never counts in them (gVisor) is an error too: silence must
// not be taken for health.
func Open(root string) (*Group, error) {
	if IsGVisor() {
		return nil, fmt.Errorf("%w: this is gVisor, whose memory cgroup files are constants", ErrUnsupported)
	}
	location, err := Find(root)
	if err != nil {
		return nil, err
	}
	g := &Group{Location: location, dir: path.Join(root, location.Dir), usage: -1, limit: -1, peak: -1, limitHit: -1, swapHit: -1, local: -1}
	g.events, err = openFile(path.Join(g.dir, location.Version.eventsFile()))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	if _, err := g.Counters(); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	return g, nil
}

// OpenRest opens the files that only enrich what is said of a kill. Their absence is no error: memory.peak came with Linux
// 5.19, and v2's root lacks all. It is apart from Open because a container should not start later for them. What Counters
// counts from here on besides OOMKill begins with its next call.
func (g *Group) OpenRest() {
	names := [...]string{"memory.current", "memory.max", "memory.peak"}
	if g.Version == V1 {
		names = [...]string{"memory.usage_in_bytes", "memory.limit_in_bytes", "memory.max_usage_in_bytes"}
		g.limitHit = openOptional(path.Join(g.dir, "memory.failcnt"))
		g.swapHit = openOptional(path.Join(g.dir, "memory.memsw.failcnt"))
		g.nested = newNested(g.dir)
	}
	g.usage = openOptional(path.Join(g.dir, names[0]))
	g.limit = openOptional(path.Join(g.dir, names[1]))
	g.peak = openOptional(path.Join(g.dir, names[2]))
	if g.Version == V2 {
		g.local = openOptional(path.Join(g.dir, "memory.events.local"))
		if fd := openOptional(path.Join(g.dir, "memory.oom.group")); fd >= 0 {
			value, ok := g.readBytes(fd)
			g.OOMGroup = ok && value == 1
			_ = unix.Close(fd) // opened for reading: nothing can be lost
		}
	}
}

// Close closes the files. The program itself never does: they serve until its last instruction.
func (g *Group) Close() error {
	var errs []error
	g.nested.close()
	for _, fd := range []int{g.events, g.usage, g.limit, g.peak, g.limitHit, g.swapHit, g.local} {
		if fd > 0 {
			errs = append(errs, unix.Close(fd))
		}
	}
	return errors.Join(errs...)
}

// Counters reads the event counts. It allocates nothing. An error means that this read said nothing, not that nothing
// happened: ENODEV after the cgroup was removed, or ErrUnsupported where the kernel writes no oom_kill line (before
// 4.13).
func (g *Group) Counters() (Counters, error) {
	n, err := pread(g.events, g.buffer[:])
	if err != nil {
		return Counters{}, fmt.Errorf("cannot read %s: %w", g.Version.eventsFile(), err)
	}
	counters, ok := parseEvents(g.buffer[:n])
	if !ok {
		return Counters{}, fmt.Errorf("%w: %s has no oom_kill line (it came with Linux 4.13)", ErrUnsupported, g.Version.eventsFile())
	}
	if g.Version == V1 {
		hits, _ := g.readBytes(g.limitHit)
		swap, _ := g.readBytes(g.swapHit)
		counters.LimitHit = hits + swap
	}
	counters.OwnOOM = counters.OOM
	if g.local >= 0 {
		if n, err := pread(g.local, g.buffer[:]); err == nil {
			own, _ := parseEvents(g.buffer[:n])
			counters.OwnOOM = own.OOM
		}
	}
	counters.NestedKill = g.nested.read()
	return counters, nil
}

// PollFD returns the file descriptor that becomes ready with POLLPRI when a counter moves, and true; or false on v1,
// where poll on memory.oom_control never answers and the eventfd of memory.rst needs a write that containers may not
// do. The readiness ends with the next call of Counters. Wake-ups are at least 10 ms apart (CGROUP_FILE_NOTIFY_MIN_INTV
// in kernel/cgroup/cgroup.c, Linux 6.18).
func (g *Group) PollFD() (fd int, ok bool) { return g.events, g.Version == V2 }

// Usage returns the memory charged to the cgroup, page cache included. ok is false where it cannot be read.
func (g *Group) Usage() (usage Bytes, ok bool) { return g.readBytes(g.usage) }

// Limit returns the cgroup's own limit, which may change while it runs; Unlimited where none is set. An ancestor's
// lower limit does not show here.
func (g *Group) Limit() (limit Bytes, ok bool) { return g.readBytes(g.limit) }

// Peak returns the highest usage since the cgroup was made (v1: or since somebody reset it).
func (g *Group) Peak() (peak Bytes, ok bool) { return g.readBytes(g.peak) }

// PeakAtLimit reports whether usage ever came within 1 MiB of the cgroup's own limit; each CPU charges some pages ahead.
// If it did not, an OOM kill was not this limit's doing. On v1 nothing tells more where the limit with swap is hit first, as
// Docker sets it, and the kernel does not count that: see Counters.LimitHit.
func (g *Group) PeakAtLimit() bool {
	const slack = 1 << 20
	limit, ok := g.Limit()
	peak, peakOK := g.Peak()
	return ok && peakOK && limit != Unlimited && peak+slack >= limit
}

func (g *Group) readBytes(fd int) (Bytes, bool) {
	if fd < 0 {
		return 0, false
	}
	n, err := pread(fd, g.buffer[:])
	if err != nil {
		return 0, false
	}
	return parseBytes(g.buffer[:n])
}

func openFile(name string) (int, error) {
	for {
		fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return -1, fmt.Errorf("cannot open %q: %w", name, err)
		}
		return fd, nil
	}
}

// readFile is os.ReadFile for files of /proc, which it does not try to poll: at the start each system call counts.
func readFile(name string) ([]byte, error) {
	fd, err := openFile(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(fd) }() // only read from
	text := make([]byte, 0, 8<<10)
	for {
		n, err := unix.Read(fd, text[len(text):cap(text)])
		switch {
		case err == unix.EINTR:
		case err != nil:
			return nil, fmt.Errorf("cannot read %q: %w", name, err)
		case n == 0:
			return text, nil
		default:
			text = slices.Grow(text[:len(text)+n], 4<<10)
		}
	}
}

func openOptional(name string) int {
	fd, err := openFile(name)
	if err != nil {
		return -1
	}
	return fd
}

// pread reads from the start of the file; the kernel makes the text anew for offset 0. The system call is raw: it never
// blocks, and one that the Go scheduler is told of wakes the runtime's monitor thread.
func pread(fd int, buffer []byte) (int, error) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_PREAD64, uintptr(fd), uintptr(unsafe.Pointer(&buffer[0])), uintptr(len(buffer)), 0, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}
