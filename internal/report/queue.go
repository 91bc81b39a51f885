package report

import (
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// queueBytes bounds what waits to be written: a reader that stalls costs events, never memory. The buffer is made once,
// since memory may be at its limit when it is needed.
const queueBytes = 64 << 10

// readyBytes is how much of it has its memory from the start, enough for the lines of some kills. While no more waits, no more
// is ever used.
const readyBytes = 16 << 10

// maxLineBytes bounds one line. Up to PIPE_BUF bytes a pipe takes whole or not at all (pipe(7)), so that lines of this
// program and of others that write to the same pipe never mix.
const maxLineBytes = 4096

// queue hands lines to a thread that writes them to one file descriptor. put never blocks.
type queue struct {
	fd int

	mu      sync.Mutex
	ring    []byte // lines, each ended by '\n'
	start   int
	used    int
	writing bool
	losses  uint64    // lines that were not written, since takeLost
	until   time.Time // nothing that takes memory is written before it,
	free    int       // but for that many bytes at the start, which were there before
	warm    bool      // the pipe has had a page

	pipe bool // fd is one

	bound chan struct{} // closed once run has its thread
	more  chan struct{} // of size 1: there is something to write
	idle  chan struct{} // of size 1: all is written
}

func newQueue(fd int) *queue {
	q := &queue{fd: fd, ring: make([]byte, queueBytes), bound: make(chan struct{}), more: make(chan struct{}, 1), idle: make(chan struct{}, 1)}
	var file unix.Stat_t
	q.pipe = unix.Fstat(fd, &file) == nil && file.Mode&unix.S_IFMT == unix.S_IFIFO
	for i := 0; i < readyBytes; i += os.Getpagesize() {
		q.ring[i] = 1
	}
	go q.run()
	return q
}

// put takes a line, '\n' included. It returns false if the line is lost, and counts it.
func (q *queue) put(line []byte) bool {
	q.mu.Lock()
	if q.used == 0 {
		q.start = 0 // where the memory is there
	}
	fits := len(line) <= maxLineBytes && q.used+len(line) <= len(q.ring)
	if fits {
		n := copy(q.ring[(q.start+q.used)%len(q.ring):], line)
		copy(q.ring, line[n:])
		q.used += len(line)
	} else {
		q.losses++
	}
	q.mu.Unlock()
	if fits {
		notify(q.more)
	}
	return fits
}

// takeLost returns how many lines were lost since the last call.
func (q *queue) takeLost() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	losses := q.losses
	q.losses = 0
	return losses
}

// lost counts n more lines as lost.
func (q *queue) lost(n uint64) {
	q.mu.Lock()
	q.losses += n
	q.mu.Unlock()
}

// hasLost reports whether lines were lost since takeLost.
func (q *queue) hasLost() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.losses > 0
}

// full reports whether a line may not fit.
func (q *queue) full() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.used+maxLineBytes > len(q.ring)
}

// hold has no line written before a moment that is put from now on and takes memory to write; a zero time ends that. Lines that
// wait for the thread only may go: they were put when it was safe to write them.
func (q *queue) hold(until time.Time) {
	q.mu.Lock()
	if q.left() <= 0 {
		q.free = q.used
	}
	q.until = until
	q.mu.Unlock()
}

// empty reports whether everything in the pipe was read. An empty pipe that had a line keeps the page that its reader has read
// last (anon_pipe_buf_release in fs/pipe.c, Linux 6.18), so that the next line takes none. It may block.
func (q *queue) empty() bool {
	waiting, err := unix.IoctlGetInt(q.fd, unix.TIOCINQ)
	return err == nil && waiting == 0
}

// left is how long lines are held still.
func (q *queue) left() time.Duration {
	if q.until.IsZero() {
		return 0
	}
	return time.Until(q.until)
}

// await waits for the end of hold, or until there is a line that it is not for.
func (q *queue) await() {
	for {
		q.mu.Lock()
		left, free, warm := q.left(), q.free > 0, q.warm
		q.mu.Unlock()
		// Without the lock: the kernel's own of the pipe may be held by a writer who waits for memory.
		if left <= 0 || free || warm && q.empty() {
			return
		}
		time.Sleep(min(left, time.Millisecond))
	}
}

// flush waits until all lines are written, but no longer than atMost.
func (q *queue) flush(atMost time.Duration) {
	q.hold(time.Time{})
	deadline := time.NewTimer(atMost)
	defer deadline.Stop()
	for {
		q.mu.Lock()
		done := q.used == 0 && !q.writing
		q.mu.Unlock()
		if done {
			return
		}
		select {
		case <-q.idle:
		case <-deadline.C:
			return
		}
	}
}

func (q *queue) run() {
	// A thread of its own from the start: a write to a pipe that nobody reads blocks it for good, and the loop must not
	// need a new one then. SIGPIPE stays pending on this thread, so that a reader who left is an EPIPE here and nothing
	// that would be forwarded to the child.
	runtime.LockOSThread()
	close(q.bound)
	var all unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^all.Val[i]
	}
	_ = unix.PthreadSigmask(unix.SIG_BLOCK, &all, nil) // can only fail for a wrong first argument
	var line [maxLineBytes]byte
	for range q.more {
		for {
			q.await()
			n := q.next(line[:])
			if n == 0 {
				break
			}
			q.wrote(writeWhole(q.fd, line[:n]))
		}
	}
}

// next takes the oldest line out of the ring.
func (q *queue) next(line []byte) (n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for n < q.used {
		c := q.ring[(q.start+n)%len(q.ring)]
		line[n] = c
		n++
		if c == '\n' {
			break
		}
	}
	if n > 0 {
		q.start = (q.start + n) % len(q.ring)
		q.used -= n
		q.free = max(0, q.free-n)
		q.writing = true
	}
	return n
}

func (q *queue) wrote(ok bool) {
	q.mu.Lock()
	q.writing = false
	q.warm = q.pipe
	if !ok {
		q.losses++
	}
	empty := q.used == 0
	q.mu.Unlock()
	if empty {
		notify(q.idle)
	}
}

// writeWhole writes the line. It goes on after a part was written, and waits where the descriptor was made non-blocking
// by somebody who shares it. It reports whether all of it was written.
func writeWhole(fd int, line []byte) bool {
	for len(line) > 0 {
		n, err := unix.Write(fd, line)
		switch err {
		case nil:
			line = line[n:]
		case unix.EINTR:
		case unix.EAGAIN:
			_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, -1)
			if err != nil && err != unix.EINTR {
				return false
			}
		default: // EPIPE, ENOSPC, EIO, EBADF: this line is lost, and the next may not be
			return false
		}
	}
	return true
}

func notify(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
