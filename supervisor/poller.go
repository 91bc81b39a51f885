package supervisor

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// poller waits for several file descriptors without a thread of its own: they are in one epoll set, and that set's own
// descriptor is waited for by the Go runtime's.
type poller struct {
	epoll int
	file  *os.File
	conn  syscall.RawConn
	look  func(fd uintptr) (ready bool) // made once, so that waiting allocates nothing
	// events are what the last look found.
	events [8]unix.EpollEvent
	found  int
}

func newPoller() (*poller, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	// The runtime's poller has two descriptors of its own, an epoll and an eventfd, and ends the program where it cannot have
	// them (netpollinit in runtime/netpoll_epoll.go, Go 1.26).
	release, err := holdDescriptors(epoll, 2)
	release()
	if err != nil {
		return nil, err
	}
	// NewFile takes a descriptor to the runtime's poller only if it is non-blocking.
	if err := unix.SetNonblock(epoll, true); err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	p := &poller{epoll: epoll, file: os.NewFile(uintptr(epoll), "epoll")}
	p.conn, err = p.file.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("cannot poll: %w", err)
	}
	p.look = func(fd uintptr) bool {
		// Raw, since it does not block: a system call that the scheduler is told of wakes the runtime's monitor.
		n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, fd, uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)), 0, 0, 0)
		p.found = 0
		if errno == 0 {
			p.found = int(n)
		}
		return p.found > 0 || errno != 0 && errno != unix.EINTR
	}
	return p, nil
}

func (p *poller) add(fd int, events uint32) error { return p.control(unix.EPOLL_CTL_ADD, fd, events) }

// rearm has a descriptor that was added with EPOLLONESHOT count again.
func (p *poller) rearm(fd int, events uint32) error { return p.control(unix.EPOLL_CTL_MOD, fd, events) }

func (p *poller) control(operation, fd int, events uint32) error {
	event := unix.EpollEvent{Events: events, Fd: int32(fd)}
	if err := unix.EpollCtl(p.epoll, operation, fd, &event); err != nil {
		return os.NewSyscallError("epoll_ctl", err)
	}
	return nil
}

// wait returns when a descriptor is ready, or at the time that endAt was told; at once if it is not to block. It reports
// whether a descriptor other than fd is ready, or the time has come.
func (p *poller) wait(fd int, block bool) (other bool) {
	p.found = 0
	if !block {
		p.look(uintptr(p.epoll))
	} else if err := p.conn.Read(p.look); errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	} else if err != nil {
		time.Sleep(tickNear) // it cannot be: the file is never closed. Whatever it is, it must not keep a processor busy
	}
	for _, e := range p.events[:p.found] {
		other = other || int(e.Fd) != fd
	}
	return other
}

// endAt has wait return at that time; a zero time undoes it. It does what a timerfd does better.
func (p *poller) endAt(t time.Time) { _ = p.file.SetReadDeadline(t) } // as above
