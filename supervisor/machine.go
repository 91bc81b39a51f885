package supervisor

// state is where the life of the container stands.
type state int

const (
	// running: the main child lives, and nobody means to end it.
	running state = iota
	// stopping: the policy sent the stop signal, and the grace period runs.
	stopping
	// killing: SIGKILL was sent; the main child has not been reaped yet.
	killing
	// settling: the main child has ended; counted kills still wait for their victim's name.
	settling
	// ended: everything is known, and the exit code is final.
	ended
)

// event is something that may change the state.
type event int

const (
	// stopDecided: the policy wants the container stopped.
	stopDecided event = iota
	// killDecided: the policy wants it killed.
	killDecided
	// graceElapsed: the grace period is over.
	graceElapsed
	// mainExited: the main child was reaped.
	mainExited
	// killsExplained: every counted kill has its verdict.
	killsExplained
)

// effect is what has to be done on the way to the next state.
type effect int

const (
	nothing effect = iota
	// sendStop: send the stop signal and start the grace period.
	sendStop
	// sendKill: send SIGKILL.
	sendKill
	// lookOnce: look at the counters for the last time.
	lookOnce
)

// next is the whole life of the container: every state with every event. What cannot happen changes nothing.
func next(s state, e event) (state, effect) {
	switch s {
	case running:
		switch e {
		case stopDecided:
			return stopping, sendStop
		case killDecided:
			return killing, sendKill
		case mainExited:
			return settling, lookOnce
		case graceElapsed: // impossible: the grace period has not begun
		case killsExplained:
		}
	case stopping:
		switch e {
		case stopDecided, killDecided, graceElapsed:
			// A second OOM kill while stopping: what is left cannot be trusted to end by itself.
			return killing, sendKill
		case mainExited:
			return settling, lookOnce
		case killsExplained:
		}
	case killing:
		switch e {
		case mainExited:
			return settling, lookOnce
		case stopDecided, killDecided, graceElapsed, killsExplained:
		}
	case settling:
		switch e {
		case killsExplained:
			return ended, nothing
		case stopDecided, killDecided, graceElapsed: // nobody is left to be stopped
		case mainExited: // impossible: it ended already
		}
	case ended:
		switch e {
		case stopDecided, killDecided, graceElapsed, mainExited, killsExplained: // impossible: the loop has ended
		}
	}
	return s, nothing
}
