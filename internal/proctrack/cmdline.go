package proctrack

import (
	"bytes"
	"runtime"

	"golang.org/x/sys/unix"
)

// linesAtMost is how often a process that has no command line is asked for it.
const linesAtMost = 4

// maxLine bounds what is read of a command line, in bytes.
const maxLine = 4096

// lineReader reads command lines and the paths of programs on a thread of its own. /proc/PID/cmdline takes the mmap lock of
// the process and may fault its pages in (get_mm_cmdline in fs/proc/base.c, Linux 6.18), so that reading it can take until the
// process dies. Whoever asks never waits: with the queue full, a command line stays unknown.
type lineReader struct {
	dir     int
	path    [64]byte // of run
	asked   chan lineOf
	read    chan lineOf
	bound   chan struct{} // closed once run has its thread
	stopped chan struct{}
}

// lineOf is a question, and with a line its answer.
type lineOf struct {
	pid       int
	startTime uint64
	comm      string
	line      string
	exe       string
}

// newLineReader returns a reader of the command lines below dir, an open directory of a proc file system.
func newLineReader(dir int) *lineReader {
	r := &lineReader{
		dir:     dir,
		asked:   make(chan lineOf, 64),
		read:    make(chan lineOf, 64),
		bound:   make(chan struct{}),
		stopped: make(chan struct{}),
	}
	go r.run()
	return r
}

func (r *lineReader) run() {
	// A thread of its own from the start: when a read blocks for good, the loop must not need a new one.
	runtime.LockOSThread()
	close(r.bound)
	defer close(r.stopped)
	var buffer [maxLine]byte
	for question := range r.asked {
		question.line = r.line(question.pid, buffer[:])
		question.exe = r.exe(question.pid, buffer[:])
		select {
		case r.read <- question:
		default: // nobody collects: the next question will bring another chance
		}
	}
}

func (r *lineReader) line(pid int, buffer []byte) string {
	fd, errno := openAt(r.dir, pathOf(r.path[:0], pid, "/cmdline"))
	if errno != 0 {
		return ""
	}
	n, err := unix.Read(fd, buffer)
	_ = unix.Close(fd) // only read from
	if err != nil || n <= 0 {
		return ""
	}
	return string(buffer[:n])
}

// exe returns the path of the program, which the kernel shows to whoever may ptrace the process (proc_pid_exe(5)).
func (r *lineReader) exe(pid int, buffer []byte) string {
	n, errno := readlinkAt(r.dir, pathOf(r.path[:0], pid, "/exe"), buffer)
	if errno != 0 {
		return ""
	}
	return string(bytes.TrimSuffix(buffer[:n], []byte(" (deleted)")))
}

// close ends the thread and waits for it.
func (r *lineReader) close() {
	close(r.asked)
	<-r.stopped
}

// collect calls learn with the answers that are there.
func (r *lineReader) collect(learn func(lineOf)) {
	for {
		select {
		case answer := <-r.read:
			learn(answer)
		default:
			return
		}
	}
}

// askLine asks for the command line of a process.
func (t *Tracker) askLine(p *Process) {
	select {
	case t.lines.asked <- lineOf{pid: p.PID, startTime: p.StartTime, comm: p.Comm}:
		p.asked = true
	default:
		p.asked = false
	}
}

// learnLine takes an answer over, if the process is still the one that was asked about.
func (t *Tracker) learnLine(answer lineOf) {
	p := t.table[answer.pid]
	if p == nil || p.StartTime != answer.startTime {
		return
	}
	// In the middle of an exec there is none, nor where there was no descriptor to be had. A process that keeps on having none is
	// not asked for it again and again.
	if answer.line == "" && answer.exe == "" {
		p.noLine++
	}
	if answer.line != "" || answer.exe != "" || p.noLine >= linesAtMost {
		p.noLine = 0
		p.CommandLine, p.Exe, p.commOfLine = answer.line, answer.exe, answer.comm
	}
}

// forgetStaleLine drops a command line that was read before the process became another program: no line is better
// than a wrong one.
func (p *Process) forgetStaleLine() {
	if p.commOfLine != p.Comm {
		p.CommandLine, p.Exe = "", ""
	}
}
