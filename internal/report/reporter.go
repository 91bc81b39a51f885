package report

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

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

// Rehearse writes the events of a kill to nowhere. The pages of code and heap that they need are then there when memory is at
// its limit: a page fault of ours at that moment would have the kernel kill another process of the container.
func (r *Reporter) Rehearse(at time.Time, kill OOMKill, follows Policy) {
	if r.queue == nil {
		return
	}
	rehearsal := &Reporter{options: r.options, queue: &queue{}} // a queue without room, and without a thread
	rehearsal.log = zerolog.New(rehearsal).Level(r.options.Level)
	rehearsal.OOMKill(at, kill)
	rehearsal.Policy(at, follows)
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

// Started reports that the main child runs.
func (r *Reporter) Started(at time.Time, v Started) {
	message := "pause mode: orphans are reaped until SIGTERM comes"
	if v.Main != nil {
		message = fmt.Sprintf("%s started as pid %d; policy %s", printable(v.Main.Comm), v.Main.PID, v.Policy)
	}
	if v.Cgroup != nil && v.Cgroup.OOMGroup {
		message += "; memory.oom.group is set: an OOM kill will take the whole container, this process included, and " +
			"nothing can be reported then"
	}
	r.emit(at, zerolog.InfoLevel, "started", message, func(e *zerolog.Event) {
		if v.Main != nil {
			r.process(e, "process", *v.Main)
		}
		e.Dict("init", zerolog.Dict().Int("pid", v.PID).Bool("subreaper", v.Subreaper))
		if c := v.Cgroup; c != nil {
			e.Dict("cgroup", zerolog.Dict().Str("version", c.Version).Str("path", printable(c.Path)).Str("directory", printable(c.Dir)).
				Bool("oom_group", c.OOMGroup).Str("woken_by", c.WokenBy))
		}
		memory(e, v.Memory)
		e.Str("policy", v.Policy)
	})
}

// OOMKill reports one counted kill.
func (r *Reporter) OOMKill(at time.Time, v OOMKill) {
	r.counts.killed(v)
	if len(r.told) < killsTold {
		r.told = append(r.told, killInWords(v))
	}
	write := func() {
		r.emit(at, zerolog.ErrorLevel, "oom_kill", oomKillMessage(v), func(e *zerolog.Event) { r.oomKill(e, v) })
	}
	if write(); r.tooLong { // hostile names take six times their length; what was recorded is what can be missed
		r.queue.lost(r.carried)
		v.Recorded = Recorded{}
		if write(); r.tooLong {
			r.lostTooLong()
		}
	}
}

// OOMKillLine returns the event as it is written in JSON, whatever the level and the format are.
func (r *Reporter) OOMKillLine(at time.Time, v OOMKill) []byte {
	var b bytes.Buffer
	log := zerolog.New(&b)
	e := log.WithLevel(zerolog.ErrorLevel).Str(zerolog.TimestampFieldName, at.UTC().Format(timeFormat)).Str("event", "oom_kill")
	r.oomKill(e, v).Str(zerolog.MessageFieldName, oomKillMessage(v)).Send()
	return b.Bytes()
}

// CommandLine returns as much of a raw command line as events show.
func (r *Reporter) CommandLine(raw string) string { return r.options.CommandLines.apply(raw) }

// Metrics has the metrics file replaced. It does nothing if none is wanted, or if the last one is not written yet.
func (r *Reporter) Metrics(at time.Time, g Gauges) {
	if r.options.MetricsFile == "" {
		return
	}
	if r.counts.since.IsZero() {
		r.counts.since = at
	}
	if problem := r.broken.Swap(nil); problem != nil && r.counts.warned < warnAtMost {
		r.counts.warned++
		r.Warning(at, Warning{Text: "metrics: " + (*problem).Error()})
	}
	name, content := r.options.MetricsFile, r.counts.text(g)
	r.files.Do(func() {
		if err := replaceFile(name, content); err != nil {
			r.broken.Store(&err)
		}
	})
}

// warnAtMost bounds the warnings about the metrics file.
const warnAtMost = 3

func (r *Reporter) oomKill(e *zerolog.Event, v OOMKill) *zerolog.Event {
	if v.Victim != nil {
		r.process(e, "process", *v.Victim)
		e.Str("role", v.Role).Str("origin", v.Origin)
	} else {
		candidates := zerolog.Arr()
		for _, p := range v.Candidates {
			p.CommandLine = "" // several of them would not fit into one line
			candidates.Dict(r.processDict(p))
		}
		e.Array("candidates", candidates)
	}
	e.Str("certainty", v.Certainty).Strs("evidence", v.Evidence).Str("limit", v.Limit).Uint64("oom_kills", v.Kills)
	memory(e, v.Memory)
	recorded(e, v.Recorded)
	return e
}

// recorded writes what was recorded before a kill.
func recorded(e *zerolog.Event, v Recorded) {
	if len(v.Samples) == 0 {
		return
	}
	samples := zerolog.Arr()
	for _, s := range v.Samples {
		samples.Dict(zerolog.Dict().Float64("seconds_before", tenths(s.Before)).Uint64("usage_bytes", s.UsageBytes))
	}
	d := zerolog.Dict().Array("samples", samples)
	if len(v.Largest) > 0 {
		largest := zerolog.Arr()
		for _, p := range v.Largest {
			largest.Dict(zerolog.Dict().Int("pid", p.PID).Dict("executable", zerolog.Dict().Str("name", p.Comm)).
				Dict("first", zerolog.Dict().Float64("seconds_before", tenths(p.FirstBefore)).Uint64("resident_bytes", p.FirstBytes)).
				Dict("last", zerolog.Dict().Float64("seconds_before", tenths(p.LastBefore)).Uint64("resident_bytes", p.LastBytes)))
		}
		d.Array("largest", largest)
	}
	e.Dict("recorder", d)
}

// tenths is a duration in seconds, with one decimal.
func tenths(d time.Duration) float64 { return max(0, d).Round(100 * time.Millisecond).Seconds() }

func oomKillMessage(v OOMKill) string {
	var message string
	switch {
	case v.Victim == nil:
		message = "a process was OOM-killed, and nobody saw which"
	case v.Certainty == "certain":
		message = fmt.Sprintf("%s (pid %d) was OOM-killed", printable(v.Victim.Comm), v.Victim.PID)
	default:
		message = fmt.Sprintf("%s (pid %d) was probably OOM-killed", printable(v.Victim.Comm), v.Victim.PID)
	}
	if v.Victim != nil && len(v.Victim.Ancestors) > 0 {
		message += " (" + printable(v.Victim.Comm)
		for _, a := range v.Victim.Ancestors {
			message += " ← " + printable(a.Comm)
		}
		message += ")"
	}
	if v.Victim != nil && v.Victim.ResidentBytes > 0 {
		message += ", last seen with " + humanBytes(v.Victim.ResidentBytes)
	}
	if v.Memory.LimitBytes > 0 {
		message += "; memory limit " + humanBytes(v.Memory.LimitBytes)
	}
	if v.Limit == "above" {
		message += "; the limit that ran out is at or above this container's cgroup, or the host's memory did"
	}
	return message
}

// SIGKILL reports a SIGKILL death that was no OOM kill.
func (r *Reporter) SIGKILL(at time.Time, v SIGKILL) {
	message := fmt.Sprintf("%s (pid %d) died of SIGKILL, which this container's memory cgroup did not count as an OOM kill", printable(v.Process.Comm), v.Process.PID)
	r.emit(at, zerolog.InfoLevel, "sigkill", message, func(e *zerolog.Event) {
		r.process(e, "process", v.Process)
		e.Str("role", v.Role).Str("origin", v.Origin).Strs("evidence", v.Evidence)
	})
}

// Observation reports what a verdict will rest on.
func (r *Reporter) Observation(at time.Time, v Observation) {
	if !r.Debugs() {
		return // the message is not worth its making
	}
	message := fmt.Sprintf("%s (pid %d): %s, by %s", printable(v.Process.Comm), v.Process.PID, v.Knowledge, v.Evidence)
	if v.Kills > 0 {
		message = fmt.Sprintf("OOM kills counted: %d more; limit %s", v.Kills, v.Limit)
	}
	r.emit(at, zerolog.DebugLevel, "observation", message, func(e *zerolog.Event) {
		if v.Kills > 0 {
			e.Dict("rise", zerolog.Dict().Uint64("kills", v.Kills).Str("limit", v.Limit))
			return
		}
		r.process(e, "process", v.Process)
		d := zerolog.Dict().Str("knowledge", v.Knowledge).Str("evidence", v.Evidence).Uint64("start_time_ticks", v.StartTime)
		if !v.AliveAt.IsZero() {
			d.Str("alive_at", v.AliveAt.UTC().Format(timeFormat))
		}
		e.Dict("death", d)
	})
}

// LimitHit reports that usage reached the limit.
func (r *Reporter) LimitHit(at time.Time, v LimitHit) {
	r.emit(at, zerolog.InfoLevel, "memory_limit_hit", "memory usage reached the limit", func(e *zerolog.Event) {
		e.Uint64("hits", v.Hits)
		memory(e, v.Memory)
	})
}

// Policy reports what follows from a kill.
func (r *Reporter) Policy(at time.Time, v Policy) {
	message := "policy " + v.Action
	if v.Rule > 0 {
		message = fmt.Sprintf("rule %d (%s): %s", v.Rule, printable(v.RuleText), v.Action)
	}
	ends := v.Action == "stop" || v.Action == "kill"
	switch {
	case ends && v.GracePeriod > 0:
		message += fmt.Sprintf(": %s now, SIGKILL in %s, exit code %d", v.Signal, v.GracePeriod, v.ExitCode)
	case ends:
		message += fmt.Sprintf(": %s now, exit code %d", v.Signal, v.ExitCode)
	case v.Signal != "":
		message += fmt.Sprintf(": %s now", v.Signal)
	case v.Action == "propagate":
		message += fmt.Sprintf(": an exit code 0 will become %d", v.ExitCode)
	}
	r.emit(at, zerolog.WarnLevel, "policy", message, func(e *zerolog.Event) {
		e.Str("action", v.Action)
		if v.Action != "continue" {
			e.Int("exit_code", v.ExitCode)
		}
		if v.Victim != nil {
			e.Dict("process", shortDict(v.Victim.PID, v.Victim.ParentPID, v.Victim.Comm))
		}
		rule(e, v.Rule, v.RuleText)
		if v.Signal != "" {
			e.Str("signal", v.Signal)
		}
		if v.GracePeriod > 0 {
			e.Float64("grace_period_seconds", v.GracePeriod.Seconds())
		}
	})
}

// shortDict names a process that another event describes.
func shortDict(pid, parent int, comm string) *zerolog.Event {
	d := zerolog.Dict().Int("pid", pid).Int("parent_pid", parent)
	if comm != "" {
		d.Dict("executable", zerolog.Dict().Str("name", comm))
	}
	return d
}

// rule writes which rule decided, if one did.
func rule(e *zerolog.Event, number int, text string) {
	if number > 0 {
		e.Dict("rule", zerolog.Dict().Int("number", number).Str("text", printable(text)))
	}
}

// Unsupported reports what cannot be had here, and why.
func (r *Reporter) Unsupported(at time.Time, v Unsupported) {
	r.emit(at, zerolog.WarnLevel, "unsupported", printable(v.Reason), func(e *zerolog.Event) { e.Str("reason", printable(v.Reason)) })
}

// Warning reports a fault that changes nothing for the container.
func (r *Reporter) Warning(at time.Time, v Warning) {
	r.emit(at, zerolog.WarnLevel, "warning", printable(v.Text), func(*zerolog.Event) {})
}

// Exit reports the end. Where a reader was slow it waits for room in the queue, a quarter of a second at most.
func (r *Reporter) Exit(at time.Time, v Exit) {
	if r.queue != nil && r.queue.full() {
		r.queue.flush(lastWordsWait) // of all lines this is the one to have
	}
	if name := r.options.TerminationLog; name != "" && r.files != nil && v.Kills > 0 {
		message, create := terminationMessage(r.told, v), r.options.CreateTerminationLog
		r.files.Do(func() { leaveTerminationMessage(name, message, create) })
	}
	level := zerolog.InfoLevel
	if v.Kills > 0 || (r.queue != nil && r.queue.hasLost()) {
		level = zerolog.WarnLevel
	}
	message := fmt.Sprintf("pause mode is over; exit code %d", v.Code)
	if v.Main != nil {
		message = fmt.Sprintf("main (pid %d) %s; exit code %d", v.Main.PID, v.Main.words(), v.Code)
	}
	if v.Reason == "policy" {
		message += " by policy"
	}
	if v.Kills > 0 {
		message += fmt.Sprintf("; OOM kills: %d", v.Kills)
	}
	r.emit(at, level, "exit", message, func(e *zerolog.Event) {
		e.Int("exit_code", v.Code).Str("reason", v.Reason)
		if v.Main != nil {
			e.Dict("main", v.Main.dict())
		}
		if by := v.DecidedBy; by != nil {
			d := zerolog.Dict().Uint64("oom_kill", by.Kill)
			if by.PID > 0 {
				d.Dict("process", shortDict(by.PID, by.Parent, by.Comm))
			}
			rule(d, by.Rule, by.RuleText)
			e.Dict("decided_by", d)
		}
		e.Uint64("oom_kills", v.Kills)
		memory(e, v.Memory)
	})
}

// lastWordsWait is how long the exit event waits for room, where a reader was slow.
const lastWordsWait = 250 * time.Millisecond

// Reaped reports an orphan that ended.
func (r *Reporter) Reaped(at time.Time, v Reaped) {
	level := zerolog.DebugLevel
	if v.Warn {
		level = zerolog.WarnLevel
	}
	r.emit(at, level, "reaped", fmt.Sprintf("reaped pid %d, which %s", v.Child.PID, v.Child.words()), func(e *zerolog.Event) {
		e.Dict("child", v.Child.dict())
	})
}

func (e Ending) words() string {
	if e.Signal != "" {
		return "was ended by " + e.Signal
	}
	return fmt.Sprintf("exited with %d", e.Code)
}

func (e Ending) dict() *zerolog.Event {
	d := zerolog.Dict().Int("pid", e.PID)
	if e.Signal != "" {
		return d.Str("signal", e.Signal)
	}
	return d.Int("exit_code", e.Code)
}

func (r *Reporter) process(e *zerolog.Event, key string, p Process) { e.Dict(key, r.processDict(p)) }

func (r *Reporter) processDict(p Process) *zerolog.Event {
	d := zerolog.Dict().Int("pid", p.PID).Int("parent_pid", p.ParentPID)
	if p.Comm != "" {
		executable := zerolog.Dict().Str("name", p.Comm)
		if p.Exe != "" && r.options.CommandLines != Off {
			executable.Str("path", cutAt(p.Exe, maxPath))
		}
		d.Dict("executable", executable)
	}
	if line := r.options.CommandLines.apply(p.CommandLine); line != "" {
		d.Str("command_line", line)
	}
	if p.UIDKnown {
		d.Dict("user", zerolog.Dict().Uint32("id", p.UID))
	}
	if p.ResidentBytes > 0 {
		d.Dict("memory", zerolog.Dict().Uint64("resident_bytes", p.ResidentBytes))
	}
	if p.Age > 0 {
		d.Float64("age_seconds", max(p.Age, 10*time.Millisecond).Round(10*time.Millisecond).Seconds())
	}
	if len(p.Ancestors) > 0 {
		ancestors := zerolog.Arr()
		for _, a := range p.Ancestors {
			ancestors.Dict(zerolog.Dict().Int("pid", a.PID).Dict("executable", zerolog.Dict().Str("name", a.Comm)))
		}
		d.Array("ancestors", ancestors)
	}
	return d
}

func memory(e *zerolog.Event, m Memory) {
	if m == (Memory{}) {
		return
	}
	d := zerolog.Dict()
	for _, field := range []struct {
		name  string
		value uint64
	}{{"limit_bytes", m.LimitBytes}, {"usage_bytes", m.UsageBytes}, {"peak_bytes", m.PeakBytes}} {
		if field.value > 0 {
			d.Uint64(field.name, field.value)
		}
	}
	e.Dict("memory", d)
}

// printable returns the text with everything replaced that could act on a terminal, split a line or turn its direction,
// cut at maxText bytes.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if !strconv.IsPrint(c) || c == utf8.RuneError {
			return '?'
		}
		return c
	}, cut(s))
}

// maxPath bounds the path of a program in an event, in bytes.
const maxPath = 128

// maxText bounds a free text in an event, in bytes: six times as much in JSON must stay below PIPE_BUF.
const maxText = 512

func cut(s string) string { return cutAt(s, maxText) }

func cutAt(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// humanBytes writes an amount the way people say it: 1.5 GiB.
func humanBytes(n uint64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	value, unit := float64(n), 0
	for value >= 1024 && unit < len(units)-1 {
		value /= 1024
		unit++
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", value, units[unit])
}

// consoleLine is the line for people.
func consoleLine(at time.Time, level Level, message string, dropped uint64) []byte {
	line := fmt.Appendf(nil, "%s oominit: %s: %s", at.UTC().Format(timeFormat), level, message)
	if dropped > 0 {
		line = fmt.Appendf(line, " (%d earlier events were lost)", dropped)
	}
	return append(line, '\n')
}
