package supervisor

import (
	"runtime"
	"sync"
)

// spareThreads is how many threads of the Go runtime are made ahead of need. A Go program that cannot make a thread
// dies ("failed to create new OS thread"), so with pids.max reached none may be missing. The threads for writing and for
// reading command lines are bound to their work and exist by then; these let the loop go on while it sits in a system call
// itself, and the collector work beside it. They exist before the command does: it may be one that forks until there are no
// more processes to be had.
const spareThreads = 2

// reserveThreads has the runtime make n threads more and keeps them for later. A goroutine that is bound to its thread
// and blocks forces the runtime to go on with another one; threads that are left are kept, never ended. It returns at
// once; wait waits until they are there.
func reserveThreads(n int) (wait func()) {
	var bound, done sync.WaitGroup
	release := make(chan struct{})
	bound.Add(n)
	done.Add(n)
	for range n {
		go func() {
			defer done.Done()
			runtime.LockOSThread()
			bound.Done()
			<-release
			runtime.UnlockOSThread()
		}()
	}
	return func() {
		bound.Wait()
		close(release)
		done.Wait()
	}
}
