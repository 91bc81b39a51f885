//go:build !amd64 && !arm64

package sigpipe

import (
	"os"
	"os/signal"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Where there is no handler in assembly, os/signal does it: slower, and without the order of signals that arrive at once.
var caught = sync.OnceValue(func() chan os.Signal {
	c := make(chan os.Signal, 65) // one place for each kind: within a kind they coalesce anyway
	go func() {
		for sig := range c {
			number, ok := sig.(unix.Signal)
			if !ok {
				continue
			}
			for {
				_, err := unix.Write(int(writeFD), []byte{byte(number)})
				if err == unix.EINTR {
					continue
				}
				if err != nil {
					atomic.OrUint64(&missed, uint64(1)<<(number-1))
				}
				break
			}
		}
	}()
	return c
})

// opened says that nobody has made the pipe before.
func opened() (read, write int, ok bool) { return 0, 0, false }

func ignored(sig unix.Signal) bool { return signal.Ignored(sig) }

// saResetHand means nothing to os/signal, which catches every delivery.
const saResetHand = 0

func catch(sig unix.Signal, _ uint64) error {
	signal.Notify(caught(), sig)
	return nil
}
