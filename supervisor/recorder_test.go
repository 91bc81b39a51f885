package supervisor

import (
	"testing"
	"time"

	"github.com/oominit/oominit/internal/proctrack"
)

// A rehearsal leaves what was recorded as it is, wherever the ring stands.
func TestRehearsalKeepsTheRecording(t *testing.T) {
	for _, taken := range []int{0, 1, 2, recordSamples - 1, recordSamples, recordSamples + 1} {
		var r recorder
		now := epoch
		for i := range taken {
			now = epoch.Add(time.Duration(i) * time.Second)
			r.take(now, uint64(1+i), nil)
		}
		before := r.samples
		if r.rehearse(now.Add(time.Second)); r.samples != before {
			t.Errorf("after %d samples the recording is another", taken)
		}
	}
}

func TestRecorder(t *testing.T) {
	var r recorder
	if got := r.before(epoch); len(got.Samples) != 0 {
		t.Errorf("of nothing: %+v", got)
	}
	tracker, err := proctrack.New("/proc")
	if err != nil {
		t.Fatal(err)
	}
	defer tracker.Close()
	now := epoch
	for i := range 100 {
		now = epoch.Add(time.Duration(i) * time.Second)
		r.take(now, uint64(1000+i), tracker)
		r.take(now.Add(recordEvery/2), 1, tracker) // too soon
	}
	got := r.before(now.Add(time.Second / 2))
	if len(got.Samples) < reported/2 || len(got.Samples) > reported {
		t.Fatalf("%d samples", len(got.Samples))
	}
	last := got.Samples[len(got.Samples)-1]
	if last.UsageBytes != 1099 || last.Before != time.Second/2 {
		t.Errorf("the last sample is %+v", last)
	}
	for i, s := range got.Samples {
		if s.Before > recordFor || i > 0 && s.Before >= got.Samples[i-1].Before || s.UsageBytes < 1000 {
			t.Errorf("sample %d: %+v", i, s)
		}
	}
	if got := r.before(now.Add(2 * recordFor)); len(got.Samples) != 0 {
		t.Errorf("older than a minute: %+v", got)
	}
}

// A process is followed by its pid and start, from the first sample that shows it.
func TestRecorderLargest(t *testing.T) {
	var r recorder
	for i, resident := range []uint64{10, 20, 40} {
		s := &r.samples[i]
		s.at, s.usage = epoch.Add(time.Duration(i)*time.Second), 100
		s.largest[0] = recorded{pid: 7, startTime: 70, comm: "hog", resident: resident}
		if i == 0 {
			s.largest[1] = recorded{pid: 8, startTime: 80, comm: "gone", resident: 5}
			s.largest[2] = recorded{pid: 9, startTime: 1, comm: "before", resident: 1}
		}
		if i == 2 {
			s.largest[1] = recorded{pid: 9, startTime: 2, comm: "reused", resident: 3}
		}
	}
	r.next = 3
	got := r.before(epoch.Add(3 * time.Second)).Largest
	if len(got) != 2 || got[0].FirstBytes != 10 || got[0].LastBytes != 40 || got[0].FirstBefore != 3*time.Second || got[0].LastBefore != time.Second {
		t.Fatalf("got %+v", got)
	}
	if got[1].Comm != "reused" || got[1].FirstBytes != 3 {
		t.Errorf("a pid that was used anew: %+v", got[1])
	}
}

func TestRecorderTakesNoMemory(t *testing.T) {
	var r recorder
	tracker, err := proctrack.New("/proc")
	if err != nil {
		t.Fatal(err)
	}
	defer tracker.Close()
	tracker.Look(time.Now(), true)
	now := epoch
	if n := testing.AllocsPerRun(100, func() {
		now = now.Add(time.Second)
		r.take(now, 5, tracker)
	}); n != 0 {
		t.Errorf("%v allocations for a sample", n)
	}
}
