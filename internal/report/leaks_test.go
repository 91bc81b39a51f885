package report

import (
	"strings"
	"testing"
)

// Each of these showed its secret once.
func TestNoSecretIsShown(t *testing.T) {
	for _, line := range []string{
		"sh\x00-c\x00mysql --password  s3cret",
		"sh\x00-c\x00export X=1\nTOKEN=s3cret",
		"sh\x00-c\x00X=1 curl -H 'Authorization: Bearer s3cret'",
		"sh\x00-c\x00curl -H \"Authorization: s3cret\"",
		"x\x00--token\x00-s3cret",
		"x\x00h=1;password=s3cret",
		"x\x00h=1,password=s3cret,x=2",
		"mysql --password=s3cret",
		"x\x00--password\x00s3cret\x00y",
		"x\x00https://user:s3cret@host/path",
		"x\x00AWS_SECRET_ACCESS_KEY=s3cret",
	} {
		if shown := Redacted.apply(line); strings.Contains(shown, "s3cret") {
			t.Errorf("%q: %q", line, shown)
		}
		if full := Full.apply(line); !strings.Contains(full, "s3cret") {
			t.Errorf("the control: %q lost its secret by itself: %q", line, full)
		}
	}
}

// However long what an event is about, the event is written.
func TestLongTextsAreCut(t *testing.T) {
	long := strings.Repeat("\x01", 10000)
	candidates := make([]Process, 5)
	for i := range candidates {
		candidates[i] = Process{PID: i + 1, Comm: long[:16], CommandLine: long}
	}
	lines := written(t, Options{}, func(r *Reporter) {
		r.OOMKill(at, OOMKill{Candidates: candidates, Certainty: "unattributed"})
		r.OOMKill(at, OOMKill{Victim: &candidates[0], Certainty: "certain"})
		r.Unsupported(at, Unsupported{Reason: long})
		r.Warning(at, Warning{Text: long})
		r.Started(at, Started{Cgroup: &Cgroup{Path: long, Dir: long}})
	})
	if len(lines) != 5 {
		t.Errorf("%d of 5 events were written", len(lines))
	}
}
