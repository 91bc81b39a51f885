//go:build amd64 || arm64

package sigpipe

import "golang.org/x/sys/unix"

// What sigpipe_start works with.
var (
	// earlyFDs are the ends of the pipe that it made, both 0 if it did not run.
	earlyFDs    [2]int32
	earlyAction action //nolint:unused // by the assembly
	earlyOld    action //nolint:unused // by the assembly
	// earlySignals has bit n set if it catches signal n: those that the runtime unblocks on every thread although they came
	// in blocked (blockableSig in runtime/signal_unix.go, Go 1.26), and the other ones by whose default action a program ends.
	// A signal that is pending when the program is executed would end it, or be dropped by the kernel if it is PID 1.
	//
	//nolint:unused // by the assembly
	earlySignals uint64 = 1<<unix.SIGHUP | 1<<unix.SIGINT | 1<<unix.SIGQUIT | 1<<unix.SIGTERM | 1<<unix.SIGUSR1 |
		1<<unix.SIGUSR2 | 1<<unix.SIGALRM | 1<<unix.SIGPWR
)

// opened returns the pipe that was made before the runtime's start.
func opened() (read, write int, ok bool) {
	return int(earlyFDs[0]), int(earlyFDs[1]), earlyFDs[1] > 0
}
