// Package aside does what may block, on a thread of its own: writing files and starting programs can take as long as a disk or
// a network takes, which the supervisor's loop must not.
package aside

import (
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Thread does one job after another.
type Thread struct {
	jobs    chan func()
	pending atomic.Int32
	idle    chan struct{} // of size 1: nothing is left to do
}

// New returns a Thread for which up to queued jobs wait. The operating system's thread exists when it returns, since a Go
// program that cannot make one later dies.
func New(queued int) *Thread {
	t := &Thread{jobs: make(chan func(), queued), idle: make(chan struct{}, 1)}
	started := make(chan struct{})
	go t.run(started)
	<-started
	return t
}

func (t *Thread) run(started chan<- struct{}) {
	runtime.LockOSThread()
	// Signals are for others, SIGPIPE too: a reader who left is an EPIPE.
	var all unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^all.Val[i]
	}
	_ = unix.PthreadSigmask(unix.SIG_BLOCK, &all, nil) // can only fail for a wrong first argument
	close(started)
	for job := range t.jobs {
		job()
		if t.pending.Add(-1) == 0 {
			select {
			case t.idle <- struct{}{}:
			default:
			}
		}
	}
}

// Do has the job done some time, and returns at once. It returns false if too many wait: then it is not done.
func (t *Thread) Do(job func()) bool {
	t.pending.Add(1)
	select {
	case t.jobs <- job:
		return true
	default:
		t.pending.Add(-1)
		return false
	}
}

// Flush waits until all jobs are done, but no longer than atMost.
func (t *Thread) Flush(atMost time.Duration) {
	deadline := time.NewTimer(atMost)
	defer deadline.Stop()
	for t.pending.Load() > 0 {
		select {
		case <-t.idle:
		case <-deadline.C:
			return
		}
	}
}
