package proctrack

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// These system calls never block and are made all the time, so they are raw: one that the Go scheduler is told of wakes
// the runtime's monitor thread, which then looks around every 20 µs until all is idle again (entersyscall and sysmon in
// runtime/proc.go, Go 1.26).

// pread reads from the start of a file of /proc; the kernel makes the text anew for offset 0.
func pread(fd int, buffer []byte) (n int, errno syscall.Errno) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_PREAD64, uintptr(fd), uintptr(unsafe.Pointer(&buffer[0])), uintptr(len(buffer)), 0, 0, 0)
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			return 0, errno
		}
		return int(n), 0
	}
}

// drain reads once from a descriptor that does not block, and reports whether there was something.
func drain(fd int, buffer []byte) bool {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&buffer[0])), uintptr(len(buffer)))
	return errno == 0 && n > 0
}

// epollReady returns the events that wait now.
func epollReady(fd int, events []unix.EpollEvent) []unix.EpollEvent {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(fd), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			return nil
		}
		return events[:n]
	}
}

func pidfdOpen(pid int) (fd int, errno syscall.Errno) {
	r, _, errno := unix.RawSyscall(unix.SYS_PIDFD_OPEN, uintptr(pid), 0, 0)
	return int(r), errno
}

// openAt opens a file of a directory for reading. Unlike unix.Openat it copies no path: the name ends with a zero byte. It is not
// raw, since where memory is at its limit it can take a while.
func openAt(dir int, name []byte) (fd int, errno syscall.Errno) {
	for {
		r, _, errno := unix.Syscall6(unix.SYS_OPENAT, uintptr(dir), uintptr(unsafe.Pointer(&name[0])), unix.O_RDONLY|unix.O_CLOEXEC, 0, 0, 0)
		if errno != unix.EINTR {
			return int(r), errno
		}
	}
}

// readlinkAt is unix.Readlinkat for a name that ends with a zero byte.
func readlinkAt(dir int, name, buffer []byte) (n int, errno syscall.Errno) {
	r, _, errno := unix.Syscall6(unix.SYS_READLINKAT, uintptr(dir), uintptr(unsafe.Pointer(&name[0])),
		uintptr(unsafe.Pointer(&buffer[0])), uintptr(len(buffer)), 0, 0)
	return int(r), errno
}

// closeRaw closes a descriptor that holds no data, and whose closing cannot fail or take long: a pidfd or a file of /proc.
func closeRaw(fd int) { _, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) }
