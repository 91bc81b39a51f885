package supervisor

import "testing"

var (
	allStates = []state{running, stopping, killing, draining, purging, settling, ended}
	allEvents = []event{
		stopDecided, killDecided, graceElapsed, mainExited, mainExitedFirst, stopAgain, nobodyLeft, killsExplained,
	}
)

// The table, written out again: what is not listed keeps the state and does nothing.
func TestNext(t *testing.T) {
	type key struct {
		state state
		event event
	}
	type result struct {
		state  state
		effect effect
	}
	want := map[key]result{
		{running, stopDecided}:      {stopping, sendStop},
		{running, killDecided}:      {killing, sendKill},
		{running, mainExited}:       {settling, lookOnce},
		{running, mainExitedFirst}:  {draining, stopRest},
		{stopping, stopDecided}:     {killing, sendKill},
		{stopping, killDecided}:     {killing, sendKill},
		{stopping, graceElapsed}:    {killing, sendKill},
		{stopping, mainExited}:      {settling, lookOnce},
		{stopping, mainExitedFirst}: {draining, stopRest},
		{killing, mainExited}:       {settling, lookOnce},
		{killing, mainExitedFirst}:  {settling, lookOnce},
		{draining, graceElapsed}:    {purging, killRest},
		{draining, stopAgain}:       {purging, killRest},
		{draining, nobodyLeft}:      {settling, lookOnce},
		{purging, graceElapsed}:     {settling, lookOnce},
		{purging, nobodyLeft}:       {settling, lookOnce},
		{settling, killsExplained}:  {ended, nothing},
	}
	for _, s := range allStates {
		for _, e := range allEvents {
			expected, listed := want[key{s, e}]
			if !listed {
				expected = result{s, nothing}
			}
			if got, do := next(s, e); got != expected.state || do != expected.effect {
				t.Errorf("state %d, event %d: %d, %d; want %d, %d", s, e, got, do, expected.state, expected.effect)
			}
		}
	}
}

// Whatever happens in whatever order: states never go back, SIGKILL is sent at most once, and once the main child has
// exited, the time of the others is over and every kill is explained, the container has ended.
func FuzzNext(f *testing.F) {
	f.Add([]byte{0, 2, 3, 7})
	f.Add([]byte{0, 0, 1, 2, 4, 5, 6, 7})
	f.Fuzz(func(t *testing.T, sequence []byte) {
		s, kills := running, 0
		for _, b := range sequence {
			before := s
			var do effect
			s, do = next(s, allEvents[int(b)%len(allEvents)])
			if s < before {
				t.Fatalf("back from %d to %d", before, s)
			}
			if do == sendKill || do == killRest {
				kills++
			}
		}
		if kills > 1 {
			t.Fatalf("SIGKILL sent %d times", kills)
		}
		for _, e := range []event{mainExited, graceElapsed, nobodyLeft} {
			s, _ = next(s, e)
		}
		if s, _ = next(s, killsExplained); s != ended {
			t.Fatalf("state %d at the end", s)
		}
	})
}
