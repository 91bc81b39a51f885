//go:build amd64 || arm64

package sigpipe

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// chained has, by number, the handlers that fault signals raised by the kernel go to.
var chained [65]uintptr

// The flags of sigaction(2); x/sys has no names for them.
const (
	saSiginfo   = 0x4
	saRestorer  = 0x04000000
	saOnStack   = 0x08000000 // a goroutine's own stack may be too small
	saRestart   = 0x10000000
	saResetHand = 0x80000000
)

// handlerPC and restorerPC return the addresses of the handler and of what returns from it.
func handlerPC() uintptr
func restorerPC() uintptr

func ignored(sig unix.Signal) bool {
	var now action
	return rtSigaction(sig, nil, &now) == nil && now.handler == ignore
}

func catch(sig unix.Signal, flags uint64) error {
	caught := action{handler: handlerPC(), flags: flags | saSiginfo | saOnStack | saRestart, mask: ^uint64(0)}
	if pc := restorerPC(); pc != 0 {
		caught.flags, caught.restorer = caught.flags|saRestorer, pc
	}
	var before action
	if err := rtSigaction(sig, &caught, &before); err != nil {
		return err
	}
	switch sig {
	case unix.SIGSEGV, unix.SIGBUS, unix.SIGFPE, unix.SIGILL, unix.SIGTRAP, unix.SIGSYS:
		if before.handler != caught.handler {
			chained[sig] = before.handler
		}
	}
	return nil
}

// action is a struct sigaction as rt_sigaction(2) takes it on amd64 and arm64 (kernel_sigaction in
// include/linux/signal_types.h, Linux 6.18).
type action struct {
	handler  uintptr
	flags    uint64
	restorer uintptr
	mask     uint64
}

// ignore is SIG_IGN; x/sys has no name for it.
const ignore = 1

func rtSigaction(sig unix.Signal, set, old *action) error {
	const sizeOfMask = 8
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(set)),
		uintptr(unsafe.Pointer(old)), sizeOfMask, 0, 0)
	if errno != 0 {
		return os.NewSyscallError("rt_sigaction", errno)
	}
	return nil
}
