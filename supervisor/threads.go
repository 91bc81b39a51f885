package supervisor

import (
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// spareThreads is how many threads of the Go runtime are made ahead of need. A Go program that cannot make a thread
// dies ("failed to create new OS thread"), so with pids.max reached none may be missing. The threads for writing and for
// reading command lines are bound to their work and exist by then; these let the loop go on while it sits in a system call
// itself, and the collector work beside it. They exist before the command does: it may be one that forks until there are no
// more processes to be had.
const spareThreads = 1

// reserveThreads has the runtime make n threads more and keeps them for later. A goroutine that is bound to its thread
// and blocks forces the runtime to go on with another one; threads that are left are kept, never ended. It returns at
// once; wait waits until they are there, and until bound, for goroutines that take a thread for good, returns: one that
// was bound only after the others are let go would take the thread that is kept.
func reserveThreads(n int) (wait func(bound ...func())) {
	var held, done sync.WaitGroup
	release := make(chan struct{})
	held.Add(n)
	done.Add(n)
	for range n {
		go func() {
			defer done.Done()
			runtime.LockOSThread()
			held.Done()
			<-release
			runtime.UnlockOSThread()
		}()
	}
	return func(bound ...func()) {
		for _, b := range bound {
			b()
		}
		held.Wait()
		close(release)
		done.Wait()
	}
}

// threadsMade waits until every thread that the runtime means to make exists. Threads that a bound goroutine asks for are
// made by another thread of the runtime's, a while later (templateThread in runtime/proc.go, Go 1.26): after the command
// has taken the last pid, perhaps.
func threadsMade() {
	const patience = 100 // where /proc counts otherwise, 5 ms are lost
	for range patience {
		var task unix.Stat_t
		if unix.Stat("/proc/self/task", &task) != nil {
			return
		}
		meant, _ := runtime.ThreadCreateProfile(nil)
		if exist := int(task.Nlink) - 2; exist >= meant { // a directory has two links, and one for each in it
			return
		}
		time.Sleep(50 * time.Microsecond)
	}
}
