package proctrack

import "golang.org/x/sys/unix"

// What oominit check tries on processes that it makes for it. PID 1 needs none of it, and the linker leaves it out.

// Seen is what /proc/PID/stat shows of a process.
type Seen struct {
	Zombie bool
	// Open says that the kernel shows us the exit code: we may ptrace the process.
	Open bool
	// ExitCode is the status with which it ends. It is 0 where the kernel does not show it.
	ExitCode unix.WaitStatus
}

// ReadSeen looks at a process through the proc file system at mount. It reports false if the process is gone, or hidden
// from us.
func ReadSeen(mount string, pid int) (Seen, bool) {
	proc, err := openProcfs(mount)
	if err != nil {
		return Seen{}, false
	}
	defer proc.close()
	s, found := proc.stat(pid, "")
	return Seen{s.zombie(), s.open, s.exitCode}, found == present
}

// Newest returns the pid that was given out last, as the proc file system at mount tells it, or false if it does not.
func Newest(mount string) (pid int, ok bool) {
	proc, err := openProcfs(mount)
	if err != nil {
		return 0, false
	}
	defer proc.close()
	return proc.newest()
}

// ExitStatus asks a pidfd for the wait status of a process that was reaped, whoever reaped it, and reports whether the kernel
// tells it.
func ExitStatus(pidfd int) (unix.WaitStatus, bool) { return exitStatus(pidfd) }
