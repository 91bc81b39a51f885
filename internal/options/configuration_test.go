package options

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestParseConfiguration(t *testing.T) {
	r, err := ParseConfiguration([]string{"--exit-code=9", "--grace-period", "3s"}, []string{"OOMINIT_EXIT_CODE=8", "OOMINIT_POLICY=stop"})
	if err != nil || r.Config.ExitCode != 9 || r.Config.Policy.String() != "stop" || r.Config.GracePeriod != 3*time.Second || r.Config.Command != nil {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err = ParseConfiguration([]string{"--pause", "--"}, nil); err != nil || !r.Config.Pause {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err = ParseConfiguration([]string{"--", "nginx", "-g"}, nil); err != nil || strings.Join(r.Config.Command, " ") != "nginx -g" {
		t.Errorf("%+v, %v", r, err)
	}
	_, err = ParseConfiguration([]string{"--polcy=stop", "--exit-code=x"}, []string{"OOMINIT_RULES=stp"})
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("error %v; want three lines", err)
	}
}

func TestTakesNext(t *testing.T) {
	for argument, want := range map[string]bool{"--rules": true, "--pause": false, "--rules=x": false, "--kill": false, "x": false} {
		if got := TakesNext(argument); got != want {
			t.Errorf("%s: %v", argument, got)
		}
	}
	for _, flag := range Flags() {
		if !TakesNext(flag) && flag != "--pause" {
			t.Errorf("%s takes no value", flag)
		}
	}
}

// What SignalName writes is read as the same signal.
func TestSignalName(t *testing.T) {
	for n := unix.Signal(1); n <= lastSignal; n++ {
		if got, err := parseSignal(SignalName(n)); err != nil || got != n {
			t.Errorf("%d: %q is read as %d, %v", n, SignalName(n), got, err)
		}
	}
}
