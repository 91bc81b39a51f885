package supervisor

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// holdDescriptors takes n more descriptors, copies of one that is open, and returns what gives them back: until then nobody
// else has them. Without an error all of them could be had.
func holdDescriptors(open, n int) (release func(), err error) {
	held := make([]int, 0, n)
	release = func() {
		for _, fd := range held {
			_ = unix.Close(fd) // nothing was written to it
		}
	}
	for range n {
		fd, err := unix.FcntlInt(uintptr(open), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return release, fmt.Errorf("cannot have %d more descriptors: %w", n, err)
		}
		held = append(held, fd)
	}
	return release, nil
}
