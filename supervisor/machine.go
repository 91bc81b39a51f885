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
	// draining: the main child has ended, and those who are left were sent the stop signal.
	draining
	// purging: they were sent SIGKILL, and are not reaped yet.
	purging
	// settling: everybody has ended; counted kills still wait for their victim's name.
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
	// graceElapsed: the time that was given is over.
	graceElapsed
	// mainExited: the main child was reaped, and those who are left end with us.
	mainExited
	// mainExitedFirst: the main child was reaped, and those who are left are given time.
	mainExitedFirst
	// stopAgain: a stop signal came from outside after the main child had ended.
	stopAgain
	// nobodyLeft: we have no children any more.
	nobodyLeft
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
	// stopRest: send the stop signal to those who are left, and start their time.
	stopRest
	// killRest: send SIGKILL to those who are left.
	killRest
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
		case mainExitedFirst:
			return draining, stopRest
		case graceElapsed, stopAgain: // impossible: no time runs, and a stop signal is the main child's
		case nobodyLeft: // impossible: there is the main child, or we pause
		case killsExplained:
		}
	case stopping:
		switch e {
		case stopDecided, killDecided, graceElapsed:
			// A second OOM kill while stopping: what is left cannot be trusted to end by itself.
			return killing, sendKill
		case mainExited:
			return settling, lookOnce
		case mainExitedFirst:
			return draining, stopRest
		case stopAgain, nobodyLeft: // impossible, as above
		case killsExplained:
		}
	case killing:
		switch e {
		case mainExited, mainExitedFirst: // who was to be killed has no time for others
			return settling, lookOnce
		case stopDecided, killDecided, graceElapsed, stopAgain, nobodyLeft, killsExplained:
		}
	case draining:
		switch e {
		case graceElapsed, stopAgain:
			return purging, killRest
		case nobodyLeft:
			return settling, lookOnce
		case stopDecided, killDecided: // the main child ended by itself: nothing is left to be stopped
		case mainExited, mainExitedFirst: // impossible: it ended already
		case killsExplained:
		}
	case purging:
		switch e {
		case graceElapsed, nobodyLeft: // who does not die of SIGKILL in that time cannot be waited for
			return settling, lookOnce
		case stopDecided, killDecided, mainExited, mainExitedFirst, stopAgain, killsExplained:
		}
	case settling:
		switch e {
		case killsExplained:
			return ended, nothing
		case stopDecided, killDecided, graceElapsed, stopAgain, nobodyLeft: // nobody is left to be stopped
		case mainExited, mainExitedFirst: // impossible: it ended already
		}
	case ended:
		switch e { // impossible: the loop has ended
		case stopDecided, killDecided, graceElapsed, mainExited, mainExitedFirst, stopAgain, nobodyLeft, killsExplained:
		}
	}
	return s, nothing
}
