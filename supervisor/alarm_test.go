package supervisor

import (
	"testing"
	"time"
)

// With a timerfd and without: the alarm goes off once, never early, and not at all when it was unset.
func TestAlarm(t *testing.T) {
	p, err := newPoller()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	for name, a := range map[string]*alarm{"timerfd": newAlarm(p), "timer": newAlarm(nil)} {
		// goesOff waits for the alarm and takes it.
		goesOff := func(atMost time.Duration) bool {
			select {
			case <-a.elapsed():
				return a.took(time.Now())
			case <-p.ready:
				defer p.handled() // after it was taken: it is ready until then
				return a.took(time.Now())
			case <-time.After(atMost):
				return false
			}
		}
		begun := time.Now()
		due := begun.Add(20 * time.Millisecond)
		a.set(due, begun)
		a.set(due, begun)
		if a.took(begun) {
			t.Errorf("%s: taken before it is due", name)
		}
		if !goesOff(10*time.Second) || time.Now().Before(due) || a.took(time.Now()) {
			t.Errorf("%s: after %v, and should go off once after 20ms", name, time.Since(begun))
		}
		a.set(time.Now().Add(-time.Hour), time.Now())
		if !goesOff(10 * time.Second) {
			t.Errorf("%s: what is overdue does not go off at once", name)
		}
		a.set(time.Now().Add(time.Millisecond), time.Now())
		a.set(time.Time{}, time.Now())
		if goesOff(20 * time.Millisecond) {
			t.Errorf("%s: went off after it was unset", name)
		}
	}
}
