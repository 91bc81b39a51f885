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
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return
	}
	for _, r := range trimmable(string(smaps)) {
		// Raw, since unix.Madvise takes a slice, which cannot be made of an address. MADV_DONTNEED of a mapping whose pages
		// are all the file's loses nothing: they are read from it again.
		_, _, _ = unix.RawSyscall(unix.SYS_MADVISE, r.start, r.length, unix.MADV_DONTNEED)
	}
}

// addresses is a range of memory.
type addresses struct{ start, length uintptr }

// trimmable reads /proc/self/smaps (proc_pid_smaps(5)) and returns where files are mapped that cannot be written to and
// have no page of our own: one that was relocated and then protected has.
func trimmable(smaps string) (ranges []addresses) {
	var mapped addresses
	for line := range strings.Lines(smaps) {
		fields := strings.Fields(line)
		switch {
		case len(fields) >= 3 && fields[0] == "Anonymous:":
			if mapped.length > 0 && fields[1] == "0" {
				ranges = append(ranges, mapped)
			}
			mapped = addresses{}
		case len(fields) >= 5 && strings.Contains(fields[0], "-"):
			mapped = readOnly(fields)
		}
	}
	return ranges
}

// readOnly returns the range of a line that begins a mapping, or nothing if the mapping is not a file's or is writable.
func readOnly(fields []string) addresses {
	if len(fields) < 6 || len(fields[1]) != 4 || fields[1][:2] != "r-" || fields[1][3] != 'p' || fields[4] == "0" {
		return addresses{}
	}
	from, to, found := strings.Cut(fields[0], "-")
	start, err := strconv.ParseUint(from, 16, strconv.IntSize)
	end, err2 := strconv.ParseUint(to, 16, strconv.IntSize)
	if !found || err != nil || err2 != nil || end <= start {
		return addresses{}
	}
	return addresses{uintptr(start), uintptr(end - start)}
}
