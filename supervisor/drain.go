package supervisor

import (
	"time"

	"golang.org/x/sys/unix"
)

// purgeAtMost is how long those who are left may take to die of SIGKILL. Who is in an uninterruptible sleep may take for ever.
const purgeAtMost = time.Second

// sendRest signals everybody who is left. As PID 1 that is everybody in the container; elsewhere, those who descend from us
// (Dobby#456: kill(-1) would reach strangers).
func (s *Supervisor) sendRest(sig unix.Signal) {
	if s.init {
		s.send(sig, -1)
		return
	}
	if s.tracker == nil {
		s.send(sig, -s.mainPID)
		return
	}
	for _, pid := range s.tracker.Descendants() {
		s.send(sig, pid)
	}
}

// stopRest asks those who are left to end. One that is stopped hears of it once it is continued.
func (s *Supervisor) stopRest() {
	s.sendRest(s.config.StopSignal)
	s.sendRest(unix.SIGCONT)
	s.graceEnds = time.Now().Add(s.config.Drain)
}

func (s *Supervisor) killRest() {
	s.killedByUs = true
	s.sendRest(unix.SIGKILL)
	s.graceEnds = time.Now().Add(purgeAtMost)
}
