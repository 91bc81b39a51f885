package report

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/oominit/oominit/internal/aside"
)

// Format is how events are written.
type Format int

// The formats.
const (
	// JSON is one object a line.
	JSON Format = iota
	// Console is one line of text, for people.
	Console
)

// timeFormat is RFC 3339 in UTC with microseconds.
const timeFormat = "2006-01-02T15:04:05.000000Z"

// Options configure a Reporter.
type Options struct {
	Level  Level
	Format Format
	// FD is the file descriptor that events are written to.
	FD int
	// CommandLines says how much of a command line is written.
	CommandLines CommandLineMode
	// TerminationLog is the file for the termination message, empty for none. CreateTerminationLog makes it if it is not there.
	TerminationLog       string
	CreateTerminationLog bool
	// MetricsFile is the file for metrics, empty for none.
	MetricsFile string
}

// Reporter writes events. Its methods are for one goroutine, and never block but for Exit and Flush, at the end.
type Reporter struct {
	options Options
	queue   *queue // nil if nothing is ever written
	log     zerolog.Logger
	carried uint64 // how many lost events the line at hand tells of
	tooLong bool   // the line at hand was too long, and was not written
	files   *aside.Thread
	counts  counts
	told    []string // of the kills, for the termination message
	broken  atomic.Pointer[error]
}

// New returns a Reporter. It starts the thread that writes, unless the level is off.
func New(options Options) *Reporter {
	r := &Reporter{options: options, log: zerolog.Nop()}
	if options.Level != zerolog.Disabled {
		r.queue = newQueue(options.FD)
		r.log = zerolog.New(r).Level(options.Level)
	}
	if options.MetricsFile != "" || options.CreateTerminationLog || options.TerminationLog != "" && exists(options.TerminationLog) {
		r.files = aside.New(4)
	}
	return r
}

func exists(name string) bool { return unix.Access(name, unix.F_OK) == nil }

// Bound waits until the thread that writes is there.
func (r *Reporter) Bound() {
	if r.queue != nil {
		<-r.queue.bound
	}
}

// Open returns a file descriptor for appending events to the file, which is made if it does not exist. A FIFO is not
// waited for.
func Open(name string) (fd int, err error) {
	for {
		fd, err = unix.Open(name, unix.O_WRONLY|unix.O_APPEND|unix.O_CREAT|unix.O_CLOEXEC|unix.O_NOCTTY|unix.O_NONBLOCK, 0o644)
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		return -1, fmt.Errorf("cannot open %q: %w", name, err)
	}
	return fd, nil
}

// Flush waits until everything is written, but no longer than atMost.
func (r *Reporter) Flush(atMost time.Duration) {
	if r.queue != nil {
		r.queue.flush(atMost)
	}
	if r.files != nil {
		r.files.Flush(atMost)
	}
}

// Hold has no line written before a moment that takes memory to write; a zero time ends that. The first line that a pipe
// holds takes a page of the container's memory: in the moment in which a victim does not count as dying any more and its pages
// are still charged, that would have the kernel kill once more (docs/design/0008-hold-still.md). A pipe that was written to and
// read before has a page.
func (r *Reporter) Hold(until time.Time) {
	if r.queue != nil {
		r.queue.hold(until)
	}
}

// Write takes one finished line from zerolog. It is not for other callers.
func (r *Reporter) Write(line []byte) (int, error) {
	if r.tooLong = len(line) > maxLineBytes; r.tooLong {
		return len(line), nil
	}
	if !r.queue.put(line) {
		r.queue.lost(r.carried) // the count that this line was to tell
	}
	return len(line), nil
}

// emit writes one event: the message for people, the fields for programs.
func (r *Reporter) emit(at time.Time, level Level, name, message string, fields func(*zerolog.Event)) {
	if r.queue == nil || level < r.options.Level {
		return
	}
	r.carried = r.queue.takeLost()
	r.counts.dropped += r.carried
	if r.options.Format == Console {
		_, _ = r.Write(consoleLine(at, level, message, r.carried)) // it never fails
		return
	}
	e := r.log.WithLevel(level).Str(zerolog.TimestampFieldName, at.UTC().Format(timeFormat)).Str("event", name)
	fields(e)
	if r.carried > 0 {
		e.Uint64("dropped_events", r.carried)
	}
	if e.Str(zerolog.MessageFieldName, message).Send(); r.tooLong && name != "oom_kill" {
		r.lostTooLong()
	}
}

// lostTooLong counts the line at hand as lost, and with it the count that it was to tell.
func (r *Reporter) lostTooLong() {
	r.queue.lost(r.carried + 1)
	r.tooLong = false
}

// Debugs reports whether events at debug are written.
func (r *Reporter) Debugs() bool { return r.queue != nil && r.options.Level <= zerolog.DebugLevel }

// consoleLine is the line for people.
func consoleLine(at time.Time, level Level, message string, dropped uint64) []byte {
	line := fmt.Appendf(nil, "%s oominit: %s: %s", at.UTC().Format(timeFormat), level, message)
	if dropped > 0 {
		line = fmt.Appendf(line, " (%d earlier events were lost)", dropped)
	}
	return append(line, '\n')
}
