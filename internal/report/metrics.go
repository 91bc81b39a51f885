package report

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// Gauges are the figures of the metrics file that the caller counts.
type Gauges struct {
	Memory           Memory
	Reaped           uint64
	SignalsForwarded uint64
}

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

// killSeries are the labels of a counter.
type killSeries struct{ comm, role, certainty string }

func (s killSeries) before(t killSeries) bool {
	return cmp.Or(strings.Compare(s.comm, t.comm), strings.Compare(s.role, t.role), strings.Compare(s.certainty, t.certainty)) < 0
}

// maxSeries bounds the counters of kills: the names are chosen by processes. Beyond it, the name is "other".
const maxSeries = 50

const otherComm = "other"

// counts are what the metrics file tells beside the Gauges.
type counts struct {
	since   time.Time
	kills   map[killSeries]uint64
	dropped uint64
	warned  int // how often somebody was told that the file cannot be written
}

// killed counts a kill.
func (c *counts) killed(v OOMKill) {
	s := killSeries{role: v.Role, certainty: v.Certainty}
	if v.Victim != nil {
		s.comm = v.Victim.Comm
	}
	if _, known := c.kills[s]; !known && len(c.kills) >= maxSeries {
		s.comm = otherComm
	}
	if c.kills == nil {
		c.kills = map[killSeries]uint64{}
	}
	c.kills[s]++
}

// text is the content of the file, in Prometheus' text format, version 0.0.4.
func (c *counts) text(g Gauges) []byte {
	var b []byte
	family := func(name, kind, help string) {
		b = fmt.Appendf(b, "# HELP oominit_%s %s\n# TYPE oominit_%s %s\n", name, help, name, kind)
	}
	single := func(name, kind, help string, value uint64) {
		family(name, kind, help)
		b = fmt.Appendf(b, "oominit_%s %d\n", name, value)
	}
	family("oom_kills_total", "counter", "Processes that the kernel's OOM killer took.")
	series := make([]killSeries, 0, len(c.kills))
	for s := range c.kills {
		series = append(series, s)
	}
	for i := range series { // few
		for j := i; j > 0 && series[j].before(series[j-1]); j-- {
			series[j], series[j-1] = series[j-1], series[j]
		}
	}
	for _, s := range series {
		b = fmt.Appendf(b, "oominit_oom_kills_total{comm=%s,role=%s,certainty=%s} %d\n", label(s.comm), label(s.role), label(s.certainty), c.kills[s])
	}
	if g.Memory.LimitBytes > 0 {
		single("memory_limit_bytes", "gauge", "Limit of the container's memory cgroup.", g.Memory.LimitBytes)
	}
	single("memory_usage_bytes", "gauge", "Memory charged to the container's memory cgroup, page cache included.", g.Memory.UsageBytes)
	single("memory_peak_bytes", "gauge", "Highest usage since the memory cgroup was made.", g.Memory.PeakBytes)
	single("reaped_processes_total", "counter", "Children that ended and were reaped, orphans included.", g.Reaped)
	single("forwarded_signals_total", "counter", "Signals that were sent on to the command.", g.SignalsForwarded)
	single("dropped_events_total", "counter", "Events that could not be written.", c.dropped)
	family("start_time_seconds", "gauge", "When the command was started, in seconds since 1970.")
	b = strconv.AppendFloat(append(b, "oominit_start_time_seconds "...), float64(c.since.UnixMilli())/1000, 'f', 3, 64)
	return append(b, '\n')
}

// label quotes the value of a label.
func label(value string) string {
	quoted := []byte{'"'}
	for _, c := range strings.ToValidUTF8(value, "\uFFFD") {
		switch c {
		case '\\', '"':
			quoted = append(quoted, '\\')
		case '\n':
			quoted, c = append(quoted, '\\'), 'n'
		}
		quoted = utf8.AppendRune(quoted, c)
	}
	return string(append(quoted, '"'))
}

// replaceFile writes the file beside the old one and puts it in its place, so that a reader never sees a part.
func replaceFile(name string, content []byte) error {
	beside := name + ".tmp"
	fd, err := unix.Open(beside, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NOCTTY, 0o644)
	if err != nil {
		return fmt.Errorf("cannot open %q: %w", beside, err)
	}
	for left := content; len(left) > 0; {
		n, err := unix.Write(fd, left)
		if err != nil {
			_ = unix.Close(fd) // the write has failed already
			_ = unix.Unlink(beside)
			return fmt.Errorf("cannot write %q: %w", beside, err)
		}
		left = left[n:]
	}
	if err := unix.Close(fd); err != nil {
		return fmt.Errorf("cannot write %q: %w", beside, err)
	}
	if err := unix.Rename(beside, name); err != nil {
		return fmt.Errorf("cannot rename %q: %w", beside, err)
	}
	return nil
}
