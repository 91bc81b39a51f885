package explain

import (
	"math"
	"slices"
)

// point is the memory usage of a container at one moment, in seconds from the first event on.
type point struct {
	at    float64
	bytes float64
	// row is the number of the recording that the point is one of, from 1 on; 0 is none.
	row int
	// gap is how far from a point of another recording it may be, for nothing to be missing between them.
	gap float64
}

// knownBetween reports whether the usage between two neighbours is known well enough for a line.
func knownBetween(a, b point) bool {
	return a.at == b.at || a.row > 0 && b.row > 0 && (a.row == b.row || b.at-a.at <= a.gap)
}

// curve is what is known of the memory of one story over time.
type curve struct {
	points []point
	limits []point // from each on, the limit is that
	kills  []killMark
	from   float64
	to     float64
	most   float64
}

type killMark struct {
	at    float64
	event *Event
}

// curve collects the points of the story, in the order of time.
func (s *Story) curve() curve {
	var c curve
	recorded := math.Inf(-1)
	for i := range s.Events {
		e := &s.Events[i]
		at := seconds(s.First, e.Time)
		c.from, c.to = min(c.from, at), max(c.to, at)
		if limit := float64(e.Memory.LimitBytes); limit > 0 {
			if len(c.limits) == 0 || c.limits[len(c.limits)-1].bytes != limit {
				c.limits = append(c.limits, point{at: at, bytes: limit})
			}
			c.most = max(c.most, limit)
		}
		p := point{}
		if len(e.Recorder.Samples) > 0 {
			p = point{row: i + 1, gap: 3 * max(e.Recorder.IntervalSeconds, 1)}
		}
		upTo := recorded
		for _, sample := range e.Recorder.Samples {
			p.at, p.bytes = at-min(max(sample.SecondsBefore, 0), 1e9), float64(sample.UsageBytes)
			// The recordings of two kills shortly after one another have the same samples.
			if p.at > upTo && p.bytes > 0 {
				c.add(p)
				recorded = max(recorded, p.at)
			}
		}
		p.at = at
		if e.Kind == kindOOMKill {
			c.kills = append(c.kills, killMark{at, e})
			// The container's own limit ran out, so usage was at it, whatever was left when somebody looked.
			if n := min(e.Memory.LimitBytes, e.Memory.PeakBytes); e.Limit == "own" && n > 0 {
				p.bytes = float64(n)
				c.add(p)
			}
		}
		if e.Memory.UsageBytes > 0 {
			p.bytes = float64(e.Memory.UsageBytes)
			c.add(p)
		}
	}
	// Stable: of two at one moment, the first is what usage fell from.
	slices.SortStableFunc(c.points, func(a, b point) int {
		switch {
		case a.at < b.at:
			return -1
		case a.at > b.at:
			return 1
		}
		return 0
	})
	return c
}

func (c *curve) add(p point) {
	c.points = append(c.points, p)
	c.from, c.to = min(c.from, p.at), max(c.to, p.at)
	c.most = max(c.most, p.bytes)
}

// thin leaves at most three points in each of n equal parts of the time: the first, the highest and the last.
func thin(points []point, from, to float64, n int) []point {
	if len(points) <= 3*n || to <= from {
		return points
	}
	var out []point
	for begin := 0; begin < len(points); {
		part := int((points[begin].at - from) / (to - from) * float64(n))
		end, highest := begin, begin
		for end < len(points) && int((points[end].at-from)/(to-from)*float64(n)) == part {
			if points[end].bytes > points[highest].bytes {
				highest = end
			}
			end++
		}
		for _, i := range slices.Compact([]int{begin, highest, end - 1}) {
			out = append(out, points[i])
		}
		begin = end
	}
	return out
}

// byteStep is the distance of lines on the scale of memory: a power of two that makes at most 6 of them.
func byteStep(most float64) float64 {
	step := 1.0
	for most/step > 6 {
		step *= 2
	}
	return step
}

// timeSteps are the distances of lines on the scale of time, in seconds.
var timeSteps = []float64{
	0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800,
	21600, 43200, 86400, 172800, 604800,
}

// timeStep is the distance that makes at most 9 lines of that time.
func timeStep(span float64) float64 {
	for _, step := range timeSteps {
		if span/step <= 9 {
			return step
		}
	}
	return math.Ceil(span/9/604800) * 604800
}
