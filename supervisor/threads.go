package supervisor

import (
	"runtime"
	"sync"
)

// spareThreads are threads of the Go runtime that exist before the main child does. A Go program that cannot make a
// thread dies ("failed to create new OS thread"), so with pids.max reached none may be missing: one to run on while
// another is in a system call, one for the goroutine that catches the remaining signals, one for the collector's.
const spareThreads = 3

// reserveThreads has the runtime make n threads more and keeps them for later. A goroutine that is bound to its thread
// and blocks forces the runtime to go on with another one; threads that are left are kept, never ended.
func reserveThreads(n int) {
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
	bound.Wait()
	close(release)
	done.Wait()
}
