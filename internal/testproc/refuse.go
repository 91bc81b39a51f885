package testproc

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// refuse executes its arguments with a seccomp filter that refuses what TESTPROC_REFUSE names, pidfd_open or
// pidfd_get_info, with the error TESTPROC_ERRNO, as engines' profiles do with system calls that they do not know.
func refuse() int {
	errno := map[string]unix.Errno{"ENOSYS": unix.ENOSYS, "EPERM": unix.EPERM}[os.Getenv("TESTPROC_ERRNO")]
	answer := unix.SECCOMP_RET_ERRNO | uint32(errno)
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	unless := func(value uint32, skip uint8) unix.SockFilter { // skips so many if it is another
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: value, Jf: skip}
	}
	give := func(value uint32) unix.SockFilter { return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: value} }
	// Offsets in struct seccomp_data: the number at 0, the low half of the second argument at 24.
	filters := map[string][]unix.SockFilter{
		"pidfd_open": {load(0), unless(unix.SYS_PIDFD_OPEN, 1), give(answer), give(unix.SECCOMP_RET_ALLOW)},
		// The size in the command varies with the kernel's headers, so the type and the number of the ioctl are compared.
		"pidfd_get_info": {
			load(0), unless(unix.SYS_IOCTL, 4), load(24),
			{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: 0xffff}, unless(unix.PIDFD_GET_INFO&0xffff, 1), give(answer),
			give(unix.SECCOMP_RET_ALLOW),
		},
	}
	filter, ok := filters[os.Getenv("TESTPROC_REFUSE")]
	if !ok || errno == 0 {
		return fail(fmt.Errorf("refuse what, and with which error?"))
	}
	runtime.LockOSThread() // the filter is the thread's, and so is the exec
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fail(err)
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, e := unix.Syscall(unix.SYS_PRCTL, unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)))
	if e != 0 {
		return fail(fmt.Errorf("cannot set the filter: %w", e))
	}
	if err := os.Unsetenv(HelperVariable); err != nil {
		return fail(err)
	}
	return fail(syscall.Exec(os.Args[1], os.Args[1:], os.Environ()))
}
