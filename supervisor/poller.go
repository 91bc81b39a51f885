package supervisor

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// poller waits for several file descriptors without a thread of its own: they are in one epoll set, and that set's own
// descriptor is waited for by the Go runtime's.
type poller struct {
	epoll int
	file  *os.File
	ready chan struct{} // something is ready; the poller then waits for handled
	again chan struct{}
}

func newPoller() (*poller, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	// NewFile takes a descriptor to the runtime's poller only if it is non-blocking.
	if err := unix.SetNonblock(epoll, true); err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	return &poller{
		epoll: epoll,
		file:  os.NewFile(uintptr(epoll), "epoll"),
		ready: make(chan struct{}),
		again: make(chan struct{}),
	}, nil
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

// start begins to wait.
func (p *poller) start() error {
	conn, err := p.file.SyscallConn()
	if err != nil {
		return fmt.Errorf("cannot poll: %w", err)
	}
	go func() {
		var event unix.EpollEvent
		// Raw, since it does not block: a system call that the scheduler is told of wakes the runtime's monitor.
		look := func(fd uintptr) bool {
			n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, fd, uintptr(unsafe.Pointer(&event)), 1, 0, 0, 0)
			return errno != 0 && errno != unix.EINTR || errno == 0 && n > 0
		}
		for conn.Read(look) == nil {
			p.ready <- struct{}{}
			<-p.again
		}
	}()
	return nil
}

// handled lets the poller wait anew, after everything that was ready has been read.
func (p *poller) handled() { p.again <- struct{}{} }
