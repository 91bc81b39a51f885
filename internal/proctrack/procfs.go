package proctrack

import (
	"bytes"
	"os"
	"path"
	"strconv"

	"golang.org/x/sys/unix"
)

// procfs reads the files of one /proc mount. It is not safe for concurrent use.
type procfs struct {
	dir     int // the directory of the mount, so that no later mount can hide it
	loadavg int // -1 where there is none
	buffer  [4096]byte
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
	n, err := unix.Pread(p.loadavg, p.buffer[:], 0)
	if err != nil {
		return 0, false
	}
	return newestPID(p.buffer[:n])
}

// stat reads /proc/PID/stat. It never takes the mmap lock of the process.
func (p *procfs) stat(pid int) (stat, bool) {
	n, ok := p.read(strconv.Itoa(pid) + "/stat")
	if !ok {
		return stat{}, false
	}
	return parseStat(p.buffer[:n])
}

// leader reports whether the id is that of a process and not of one of its threads (Tgid in /proc/PID/status).
func (p *procfs) leader(pid int) bool {
	n, ok := p.read(strconv.Itoa(pid) + "/status")
	if !ok {
		return false
	}
	_, rest, found := bytes.Cut(p.buffer[:n], []byte("\nTgid:\t"))
	return found && int(number(rest[:max(0, bytes.IndexByte(rest, '\n'))])) == pid
}

// uid returns the effective user of the process, which owns its directory.
func (p *procfs) uid(pid int) uint32 {
	var st unix.Stat_t
	if unix.Fstatat(p.dir, strconv.Itoa(pid), &st, 0) != nil {
		return 0
	}
	return st.Uid
}

func (p *procfs) read(name string) (n int, ok bool) {
	fd, err := unix.Openat(p.dir, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, false
	}
	defer func() { _ = unix.Close(fd) }()
	for n < len(p.buffer) {
		m, err := unix.Read(fd, p.buffer[n:])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return 0, false
		}
		if m == 0 {
			break
		}
		n += m
		break // one read gives the whole of a stat file; a second one would only confirm it
	}
	return n, n > 0
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
