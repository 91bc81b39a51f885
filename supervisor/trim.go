package supervisor

import (
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// trimAfter is when the start is over, and what it needed of the binary is given back.
const trimAfter = time.Second

// trim takes the pages of the binary out of our address space. The start has touched nearly all of them, and the kernel
// maps 16 around each; what the program needs from here on comes back by faults that read nothing, since the pages stay
// in the page cache. A smaller PID 1 is less likely to be the process that the OOM killer takes (oom_badness in
// mm/oom_kill.c, Linux 6.18, counts file pages too). Where it cannot be done, nothing is lost.
func trim() {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return
	}
	for line := range strings.Lines(string(maps)) {
		if start, length, ok := trimmable(line); ok {
			// Raw, since unix.Madvise takes a slice, which cannot be made of an address. MADV_DONTNEED of a mapping that was
			// never written to loses nothing: the pages are read from the file again.
			_, _, _ = unix.RawSyscall(unix.SYS_MADVISE, start, length, unix.MADV_DONTNEED)
		}
	}
}

// trimmable reads a line of /proc/self/maps (proc_pid_maps(5)) and returns the range if a file is mapped there that the
// program cannot have written to.
func trimmable(line string) (start, length uintptr, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 6 || len(fields[1]) != 4 || fields[1][0] != 'r' || fields[1][1] != '-' || fields[1][3] != 'p' || fields[4] == "0" {
		return 0, 0, false
	}
	from, to, found := strings.Cut(fields[0], "-")
	a, err := strconv.ParseUint(from, 16, strconv.IntSize)
	b, err2 := strconv.ParseUint(to, 16, strconv.IntSize)
	if !found || err != nil || err2 != nil || b <= a {
		return 0, 0, false
	}
	return uintptr(a), uintptr(b - a), true
}
