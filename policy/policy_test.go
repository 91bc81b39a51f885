package policy

import "testing"

func TestExitCode(t *testing.T) {
	const replacement = 99
	for _, name := range Actions() {
		action, err := ParseAction(name)
		if err != nil {
			t.Fatal(err)
		}
		for code := range 256 {
			want, reason := code, ReasonMainExited
			if action == Stop || action == Kill || (action == Propagate && code == 0) {
				want, reason = replacement, ReasonPolicy
			}
			if got, why := ExitCode(Status{Code: code}, action, replacement); got != want || why != reason {
				t.Errorf("%s, code %d: %d %s, want %d %s", name, code, got, why, want, reason)
			}
		}
		for signal := 1; signal <= 64; signal++ {
			want, reason := 128+signal, ReasonMainSignaled
			if action == Stop || action == Kill {
				want, reason = replacement, ReasonPolicy
			}
			if got, why := ExitCode(Status{Signal: signal}, action, replacement); got != want || why != reason {
				t.Errorf("%s, signal %d: %d %s, want %d %s", name, signal, got, why, want, reason)
			}
		}
	}
}

func TestParseActionRoundTrip(t *testing.T) {
	for a := Continue; a <= Kill; a++ {
		if got, err := ParseAction(a.String()); err != nil || got != a {
			t.Errorf("%s: %s, %v", a, got, err)
		}
	}
	for _, name := range []string{"", "Stop", " stop", "Action(4)", "stop\x00"} {
		if got, err := ParseAction(name); err == nil {
			t.Errorf("%q is taken for %s", name, got)
		}
	}
	if got := Action(7).String(); got != "Action(7)" {
		t.Errorf("got %q", got)
	}
}

func FuzzParseAction(f *testing.F) {
	for _, name := range append(Actions(), "", "STOP") {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if a, err := ParseAction(name); err == nil && a.String() != name {
			t.Errorf("%q became %s", name, a)
		}
	})
}
