package supervisor

import (
	"time"

	"golang.org/x/sys/unix"
)

// alarm is the loop's one timer. It is a timerfd in the poller's epoll set: a timer of the Go runtime that expires wakes
// the runtime's monitor thread too, which then looks around every 20 µs until all is idle again (sysmon in
// runtime/proc.go, Go 1.26), ten wake-ups for one. Where there is no timerfd, the runtime's timer does.
type alarm struct {
	poller *poller
	fd     int       // -1 without
	due    time.Time // zero while it is not set
}

// newAlarm returns an alarm that is not set, and ends the waiting of p when it goes off.
func newAlarm(p *poller) *alarm {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err == nil && p.add(fd, unix.EPOLLIN) == nil {
		return &alarm{poller: p, fd: fd}
	}
	if err == nil {
		_ = unix.Close(fd) // nothing was written to it
	}
	return &alarm{poller: p, fd: -1}
}

// set has the alarm go off at the given time, at once if that is past, and never if it is zero.
func (a *alarm) set(due, now time.Time) {
	if due.Equal(a.due) {
		return
	}
	a.due = due
	if a.fd < 0 {
		a.poller.endAt(due)
		return
	}
	var setting unix.ItimerSpec
	if !due.IsZero() {
		setting.Value = unix.NsecToTimespec(max(1, int64(due.Sub(now)))) // 0 would unset it
	}
	_ = unix.TimerfdSettime(a.fd, 0, &setting, nil) // cannot fail for a descriptor of ours and a time that is positive
}

// took reports whether the alarm has gone off, and unsets it if so.
func (a *alarm) took(now time.Time) bool {
	if a.due.IsZero() || now.Before(a.due) {
		return false
	}
	a.set(time.Time{}, now) // takes the readiness back too
	return true
}
