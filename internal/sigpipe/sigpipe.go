// Package sigpipe catches signals with a handler of its own, which writes the number of each into a pipe.
//
// The package os/signal does the same with a bit for each signal, a goroutine and two threads. Catching one costs two
// switches of threads there (enableSignal in runtime/sigqueue.go, Go 1.26), which adds up to milliseconds at the start of a
// program; so does receiving one; of several that arrive at once the order is lost, and of a real-time signal that was sent
// ten times nine are. Here catching is one system call, and what was caught is a byte in the pipe at the moment at which the
// kernel delivers the signal. docs/design/0007-signals-in-a-pipe.md has the figures.
//
// There is one pipe for the program, since a signal handler belongs to the program.
package sigpipe

import (
	"errors"
	"os"
	"runtime"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

var (
	readFD = -1
	// writeFD is what the handler writes to. It is set before the first handler is.
	writeFD int64 = -1
	// missed has bit n-1 set if signal n found the pipe full. The handler sets it, Read takes it.
	missed uint64
)

// Open makes the pipe, unless the program's entry point has made it, and returns the descriptor to poll for readability. The error is that of pipe2(2).
func Open() (fd int, err error) {
	if read, write, ok := opened(); ok {
		readFD, writeFD = read, int64(write)
		return readFD, nil
	}
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return -1, os.NewSyscallError("pipe2", err)
	}
	readFD, writeFD = ends[0], int64(ends[1])
	return readFD, nil
}

// ErrIgnored says that the signal was ignored when it was to be caught, and was left so.
var ErrIgnored = errors.New("the signal is ignored")

// Catch has the signal's number written into the pipe from now on, each time that it is delivered. A signal that is ignored
// is left so, and the error is ErrIgnored: whoever started the program with nohup(1) meant its children too. Go's runtime
// has taken the signals over at the start of the program, all but SIGHUP and SIGINT where those were ignored (sigInstallGoHandler
// in runtime/signal_unix.go, Go 1.26), so that this is told of those two only.
//
// A fault signal (SIGSEGV and the like) that the kernel raised goes to the handler that was there before, the runtime's own;
// one that somebody sent goes into the pipe.
func Catch(sig unix.Signal) error {
	if ignored(sig) {
		return ErrIgnored
	}
	return catch(sig, 0)
}

// CatchOnce is Catch for the next delivery only; after it the signal has its default action, until CatchOnce is called again.
// It is for SIGCHLD, whose default action is to be dropped when it is sent: where ten thousand children end at once, each
// caught signal would interrupt whoever is reaping them, and the sender waits for it with the kernel's list of tasks locked
// (reparent_leader in kernel/exit.c, Linux 6.18). A signal that is ignored is caught all the same.
func CatchOnce(sig unix.Signal) error { return catch(sig, saResetHand) }

// Read appends to signals those that were caught since the last call, in the order of their delivery, as far as the
// capacity of signals goes; what is left stays in the pipe. Those that found the pipe full, which holds 65,536 of them, come
// last, once each. It does not block.
func Read(signals []byte) []byte {
	for len(signals) < cap(signals) {
		room := signals[len(signals):cap(signals)]
		n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(readFD), uintptr(unsafe.Pointer(&room[0])), uintptr(len(room)))
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 || n == 0 {
			break // EAGAIN: that was all
		}
		signals = signals[:len(signals)+int(n)]
	}
	if len(signals) < cap(signals) {
		signals = takeMissed(signals)
	}
	return signals
}

// takeMissed appends the signals that found the pipe full, and leaves those for which there is no room.
func takeMissed(signals []byte) []byte {
	bits := atomic.SwapUint64(&missed, 0)
	for n := byte(1); bits != 0; n++ {
		if bits&1 != 0 {
			if len(signals) == cap(signals) {
				atomic.OrUint64(&missed, uint64(1)<<(n-1))
			} else {
				signals = append(signals, n)
			}
		}
		bits >>= 1
	}
	return signals
}

// Unblock sees to it that signals reach the handler although the program came in with them blocked, as Go's threads then all
// have them. A thread of its own takes them; what the program's children inherit stays as it came in. It does nothing, and
// takes no thread, where none of the signals is blocked.
func Unblock(signals []unix.Signal) {
	var set, inherited unix.Sigset_t
	if unix.PthreadSigmask(unix.SIG_BLOCK, &set, &inherited) != nil {
		return // it cannot fail
	}
	blocked := false
	for _, sig := range signals {
		word, bit := int(sig-1)/wordBits, int(sig-1)%wordBits
		set.Val[word] |= 1 << bit
		blocked = blocked || inherited.Val[word]&(1<<bit) != 0
	}
	if !blocked {
		return
	}
	done := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		_ = unix.PthreadSigmask(unix.SIG_UNBLOCK, &set, nil) // it cannot fail
		close(done)
		select {}
	}()
	<-done
}

// wordBits is the size of one word of a set of signals.
const wordBits = 8 * int(unsafe.Sizeof(unix.Sigset_t{}.Val[0]))
