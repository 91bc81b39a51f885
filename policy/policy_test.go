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
			if got, why := ExitCode(Status{Code: code}, nil, action, replacement); got != want || why != reason {
				t.Errorf("%s, code %d: %d %s, want %d %s", name, code, got, why, want, reason)
			}
		}
		for signal := 1; signal <= 64; signal++ {
			want, reason := 128+signal, ReasonMainSignaled
			if action == Stop || action == Kill {
				want, reason = replacement, ReasonPolicy
			}
			if got, why := ExitCode(Status{Signal: signal}, nil, action, replacement); got != want || why != reason {
				t.Errorf("%s, signal %d: %d %s, want %d %s", name, signal, got, why, want, reason)
			}
		}
	}
}

// Any code can stand for any other; what the policy does comes after that.
func TestExitCodeMapped(t *testing.T) {
	codes := map[int]int{143: 0, 3: 4, 0: 5}
	for _, test := range []struct {
		main     Status
		harshest Action
		code     int
		reason   Reason
	}{
		{Status{Signal: 15}, Continue, 0, ReasonMapped},
		{Status{Code: 143}, Continue, 0, ReasonMapped},
		{Status{Signal: 15}, Propagate, 99, ReasonPolicy},
		{Status{Code: 3}, Propagate, 4, ReasonMapped},
		{Status{Code: 0}, Propagate, 5, ReasonMapped},
		{Status{Code: 3}, Stop, 99, ReasonPolicy},
		{Status{Code: 4}, Continue, 4, ReasonMainExited},
		{Status{Signal: 9}, Continue, 137, ReasonMainSignaled},
	} {
		if code, reason := ExitCode(test.main, codes, test.harshest, 99); code != test.code || reason != test.reason {
			t.Errorf("%+v, %s: %d %s, want %d %s", test.main, test.harshest, code, reason, test.code, test.reason)
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
