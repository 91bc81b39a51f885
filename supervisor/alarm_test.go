package supervisor

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// With a timerfd and without: the alarm goes off once, never early, and not at all when it was unset.
func TestAlarm(t *testing.T) {
	for _, name := range []string{"timerfd", "timer"} {
		p, err := newPoller()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.file.Close() })
		a := newAlarm(p)
		if name == "timer" {
			_ = unix.Close(a.fd)
			a.fd = -1
		}
		wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Close(wake) })
		if err := p.add(wake, unix.EPOLLIN|unix.EPOLLET); err != nil {
			t.Fatal(err)
		}
		// goesOff waits for the alarm and takes it.
		goesOff := func(atMost time.Duration) bool {
			giveUp := time.AfterFunc(atMost, func() { _, _ = unix.Write(wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) })
			defer giveUp.Stop()
			p.wait(-1, true)
			return a.took(time.Now())
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
