package proctrack

import (
	"bytes"
	"os"
	"path"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// procfs reads the files of one /proc mount. It is not safe for concurrent use.
type procfs struct {
	dir     int // the directory of the mount, so that no later mount can hide it
	loadavg int // -1 where there is none
	buffer  [4096]byte
	path    [64]byte
}

func openProcfs(mount string) (*procfs, error) {
	dir, err := unix.Open(mount, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: mount, Err: err}
	}
	p := &procfs{dir: dir, loadavg: -1}
	if fd, err := unix.Open(path.Join(mount, "loadavg"), unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil {
		p.loadavg = fd
	}
	return p, nil
}

func (p *procfs) close() {
	_ = unix.Close(p.dir) // both were only read from
	if p.loadavg >= 0 {
		_ = unix.Close(p.loadavg)
	}
}

// newest returns the pid given out last, or false where the kernel does not tell.
func (p *procfs) newest() (int, bool) {
	if p.loadavg < 0 {
		return 0, false
	}
	n, errno := pread(p.loadavg, p.buffer[:])
	if errno != 0 {
		return 0, false
	}
	return newestPID(p.buffer[:n])
}

// presence is what a look at a process says about whether it is there.
type presence int

const (
	// unsure: it could not be looked at. A shortage of descriptors or memory says nothing about the process.
	unsure presence = iota
	// present: it is there, perhaps as a zombie.
	present
	// absent: /proc does not show it. It is gone, or hidden from us (hidepid of proc(5)).
	absent
)

// stat reads /proc/PID/stat of a process that was last known by a name, if it was known. It never takes the mmap lock of the
// process.
func (p *procfs) stat(pid int, known string) (stat, presence) {
	n, found := p.read(pid, "/stat")
	return p.parse(n, found, known)
}

// keepStat opens the stat file of a process, and returns -1 if it cannot.
func (p *procfs) keepStat(pid int) (fd int) {
	fd, errno := openAt(p.dir, p.name(pid, "/stat"))
	if errno != 0 {
		return -1
	}
	return fd
}

// keptStat reads a stat file that was opened before. Unlike opening it, that takes no memory once it was done before
// (seq_read_iter in fs/seq_file.c keeps its buffer, Linux 6.18), and the file is the process's even when its pid is
// somebody else's.
func (p *procfs) keptStat(fd int, known string) (stat, presence) {
	n, errno := pread(fd, p.buffer[:])
	return p.parse(n, presenceOf(errno), known)
}

func (p *procfs) parse(n int, found presence, known string) (stat, presence) {
	if found != present {
		return stat{}, found
	}
	s, ok := parseStat(p.buffer[:n], known)
	if !ok {
		return stat{}, unsure
	}
	return s, present
}

// leader reports whether the id is that of a process and not of one of its threads (Tgid in /proc/PID/status).
func (p *procfs) leader(pid int) bool {
	n, found := p.read(pid, "/status")
	if found != present {
		return false
	}
	_, rest, ok := bytes.Cut(p.buffer[:n], []byte("\nTgid:\t"))
	return ok && int(number(rest[:max(0, bytes.IndexByte(rest, '\n'))])) == pid
}

// uid returns the effective user of the process, which owns its directory.
func (p *procfs) uid(pid int) uint32 {
	var st unix.Stat_t
	if unix.Fstatat(p.dir, strconv.Itoa(pid), &st, 0) != nil {
		return 0
	}
	return st.Uid
}

// name returns the path of a process's file below the mount. It holds until the next call.
func (p *procfs) name(pid int, file string) []byte { return pathOf(p.path[:0], pid, file) }

// pathOf appends the path of a process's file below the mount, ended by a zero byte.
func pathOf(path []byte, pid int, file string) []byte {
	path = strconv.AppendInt(path, int64(pid), 10)
	path = append(path, file...)
	return append(path, 0)
}

// read fills the buffer from the start of a process's file. One read gives the whole of a stat file.
func (p *procfs) read(pid int, file string) (n int, found presence) {
	fd, errno := openAt(p.dir, p.name(pid, file))
	if errno != 0 {
		return 0, presenceOf(errno)
	}
	n, errno = pread(fd, p.buffer[:])
	closeRaw(fd)
	return n, presenceOf(errno)
}

func presenceOf(errno syscall.Errno) presence {
	switch errno {
	case 0:
		return present
	case unix.ENOENT, unix.ESRCH:
		return absent
	default:
		return unsure
	}
}

// pids calls yield with the pid of every process that the mount shows.
func (p *procfs) pids(yield func(pid int)) error {
	fd, err := unix.Openat(p.dir, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("openat", err)
	}
	dir := os.NewFile(uintptr(fd), "proc")
	defer func() { _ = dir.Close() }()
	for {
		names, err := dir.Readdirnames(256)
		for _, name := range names {
			if pid, err := strconv.Atoi(name); err == nil && pid > 0 {
				yield(pid)
			}
		}
		if err != nil || len(names) == 0 {
			return nil // the end, io.EOF, or a directory that cannot be read on: what was seen counts
		}
	}
}
