package supervisor

import (
	"time"

	"github.com/oominit/oominit/internal/proctrack"
	"github.com/oominit/oominit/internal/report"
)

// What is recorded of memory: for a minute, at most once in recordEvery. It takes no memory of its own once it is made, since
// there may be none when it matters.
const (
	recordFor     = time.Minute
	recordEvery   = 900 * time.Millisecond // the ticks are no clockwork
	recordSamples = 64
	recordLargest = 3
)

// recorder is a ring of samples.
type recorder struct {
	samples [recordSamples]sample
	next    int
	last    time.Time
	buffer  [recordLargest]proctrack.Process
}

type sample struct {
	at      time.Time
	usage   uint64
	largest [recordLargest]recorded
}

type recorded struct {
	pid       int
	startTime uint64
	comm      string
	resident  uint64
}

// rehearse takes the memory that before needs when the recorder is full. It changes nothing, and does so only while next to
// nothing is recorded.
func (r *recorder) rehearse(now time.Time) {
	if r.next > 1 || !r.samples[recordSamples-1].at.IsZero() {
		return
	}
	kept := r.samples[0]
	for i := range r.samples {
		r.samples[i].at = now
		r.samples[i].largest[0].pid = 1
	}
	_ = r.before(now)
	clear(r.samples[:])
	r.samples[0] = kept
}

// take records the usage and the largest processes, unless it has just done so.
func (r *recorder) take(now time.Time, usage uint64, t *proctrack.Tracker) {
	if usage == 0 || now.Sub(r.last) < recordEvery {
		return
	}
	r.last = now
	s := &r.samples[r.next]
	*s = sample{at: now, usage: usage}
	r.next = (r.next + 1) % len(r.samples)
	for i, p := range t.LargestInto(r.buffer[:0]) {
		s.largest[i] = recorded{p.PID, p.StartTime, p.Comm, p.ResidentBytes}
	}
}

// reported is how many samples an event shows at most.
const reported = 16

// before returns what was recorded in the minute before a moment, thinned out to what an event can hold.
func (r *recorder) before(now time.Time) (out report.Recorded) {
	var known []*sample // the oldest first
	for i := range r.samples {
		s := &r.samples[(r.next+i)%len(r.samples)]
		if !s.at.IsZero() && now.Sub(s.at) <= recordFor {
			known = append(known, s)
		}
	}
	if len(known) == 0 {
		return out
	}
	step := (len(known) + reported - 1) / reported
	for i := (len(known) - 1) % step; i < len(known); i += step { // the last one always
		out.Samples = append(out.Samples, report.Sample{Before: now.Sub(known[i].at), UsageBytes: known[i].usage})
	}
	for _, p := range known[len(known)-1].largest {
		if p.pid == 0 {
			continue
		}
		first, last := known[len(known)-1], known[len(known)-1]
		process := report.RecordedProcess{PID: p.pid, Comm: p.comm, LastBytes: p.resident, FirstBytes: p.resident}
		for i := len(known) - 1; i >= 0; i-- {
			for _, q := range known[i].largest {
				if q.pid == p.pid && q.startTime == p.startTime {
					first, process.FirstBytes = known[i], q.resident
				}
			}
		}
		process.FirstBefore, process.LastBefore = now.Sub(first.at), now.Sub(last.at)
		out.Largest = append(out.Largest, process)
	}
	return out
}
