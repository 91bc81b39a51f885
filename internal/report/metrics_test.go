package report

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// What promtool check metrics does: parse, and look for names that break the conventions.
func TestMetricsText(t *testing.T) {
	c := counts{since: at, dropped: 2}
	for _, comm := range []string{"a) b", "q\"\\", "n\nl", "\xff\xfe", "{}", "", "ü"} {
		c.killed(OOMKill{Victim: &Process{Comm: comm}, Role: "leaf", Certainty: "certain"})
	}
	c.killed(OOMKill{Victim: &Process{Comm: "a) b"}, Role: "leaf", Certainty: "certain"})
	c.killed(OOMKill{Certainty: "unattributed"})
	text := c.text(Gauges{Memory: Memory{LimitBytes: 1 << 30, UsageBytes: 5, PeakBytes: 6}, Reaped: 7, SignalsForwarded: 8})
	problems, err := promlint.New(bytes.NewReader(text)).Lint()
	if err != nil || len(problems) > 0 {
		t.Fatalf("%v, %v\n%s", problems, err, text)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	kills := families["oominit_oom_kills_total"].GetMetric()
	if len(kills) != 8 {
		t.Errorf("%d series of kills, want 8\n%s", len(kills), text)
	}
	for _, m := range kills {
		labels := map[string]string{}
		for _, l := range m.GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}
		if want := map[bool]float64{true: 2, false: 1}[labels["comm"] == "a) b"]; m.GetCounter().GetValue() != want || len(labels) != 3 {
			t.Errorf("%v: %v", labels, m.GetCounter().GetValue())
		}
	}
	if v := families["oominit_memory_limit_bytes"].GetMetric()[0].GetGauge().GetValue(); v != 1<<30 {
		t.Errorf("limit %v", v)
	}
	if v := families["oominit_dropped_events_total"].GetMetric()[0].GetCounter().GetValue(); v != 2 {
		t.Errorf("dropped %v", v)
	}
	// Without a kill and a limit.
	problems, err = promlint.New(bytes.NewReader((&counts{}).text(Gauges{}))).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("empty: %v, %v", problems, err)
	}
}

// Names are chosen by processes: a fork bomb of names must not become one of series.
func TestMetricsCardinality(t *testing.T) {
	var c counts
	const kills = 10 * maxSeries
	for i := range kills {
		c.killed(OOMKill{Victim: &Process{Comm: strconv.Itoa(i)}, Role: "leaf", Certainty: "certain"})
	}
	if len(c.kills) > maxSeries+6 { // other, with each role and certainty
		t.Errorf("%d series", len(c.kills))
	}
	sum := uint64(0)
	for _, n := range c.kills {
		sum += n
	}
	if sum != kills {
		t.Errorf("%d kills are counted, want %d", sum, kills)
	}
}

func FuzzLabel(f *testing.F) {
	f.Add("a\"b\\\n\xff")
	f.Fuzz(func(t *testing.T, comm string) {
		var c counts
		c.killed(OOMKill{Victim: &Process{Comm: comm}, Role: "leaf", Certainty: "certain"})
		parser := expfmt.NewTextParser(model.UTF8Validation)
		if _, err := parser.TextToMetricFamilies(bytes.NewReader(c.text(Gauges{}))); err != nil {
			t.Error(err)
		}
	})
}

// The file is replaced as a whole, and a link in its place is not followed.
func TestReplaceFile(t *testing.T) {
	dir := t.TempDir()
	name, other := filepath.Join(dir, "x.prom"), filepath.Join(dir, "other")
	for _, content := range []string{"first", "second, longer", "3"} {
		if err := replaceFile(name, []byte(content)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(name); err != nil || string(got) != content {
			t.Errorf("%q, %v", got, err)
		}
	}
	if err := os.WriteFile(other, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(other, name+".tmp"); err != nil {
		t.Fatal(err)
	}
	if err := replaceFile(name, []byte("x")); err == nil || !strings.Contains(err.Error(), "cannot open") {
		t.Errorf("through a link: %v", err)
	}
	if got, _ := os.ReadFile(other); string(got) != "mine" {
		t.Errorf("the other file is %q", got)
	}
	if err := replaceFile(filepath.Join(dir, "missing", "x"), nil); err == nil {
		t.Error("no error without a directory")
	}
}

func TestTerminationMessage(t *testing.T) {
	kill := OOMKill{Victim: &Process{PID: 172, Comm: "stress", ResidentBytes: 1 << 30}, Certainty: "certain", Memory: Memory{LimitBytes: 1 << 30}}
	exit := Exit{Code: 137, Kills: 1, Main: &Ending{PID: 7}, DecidedBy: &DecidedBy{Action: "propagate"}}
	const want = "stress (pid 172, 1.0 GiB of 1.0 GiB limit) was OOM-killed; main exited with 0; exit code 137 by policy propagate"
	if got := terminationMessage([]string{killInWords(kill)}, exit); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	exit.Kills = 9
	if got := terminationMessage([]string{killInWords(OOMKill{})}, exit); !strings.Contains(got, "8 more OOM kills") || !strings.Contains(got, "nobody saw") {
		t.Errorf("got %q", got)
	}
}

// The application's own text is kept whole, and ours is cut or left out where there is no room for both.
func TestLeaveTerminationMessage(t *testing.T) {
	name := filepath.Join(t.TempDir(), "termination-log")
	leaveTerminationMessage(name, "message", false)
	if _, err := os.Stat(name); err == nil {
		t.Error("it was made although that was not asked for")
	}
	for _, test := range []struct{ before, message, want string }{
		{"", "message", "message"},
		{"own", "message", "own\nmessage"},
		{strings.Repeat("x", 4000), strings.Repeat("y", 500), strings.Repeat("x", 4000) + "\n" + strings.Repeat("y", 95)},
		{strings.Repeat("x", 4050), strings.Repeat("y", 500), strings.Repeat("x", 4050)},
		{strings.Repeat("x", 4050), "short", strings.Repeat("x", 4050) + "\nshort"},
		{strings.Repeat("x", 5000), "message", strings.Repeat("x", 5000)},
	} {
		if err := os.WriteFile(name, []byte(test.before), 0o644); err != nil {
			t.Fatal(err)
		}
		leaveTerminationMessage(name, test.message, true)
		if got, _ := os.ReadFile(name); string(got) != test.want {
			t.Errorf("%d bytes and %q: %d bytes, ending %q", len(test.before), test.message[:5], len(got), got[max(0, len(got)-20):])
		}
	}
}

// With names that take six times their length in JSON, what was recorded is left out, and the event is not.
func TestTooLong(t *testing.T) {
	long := Process{PID: 5, Comm: strings.Repeat("\x01", 15), CommandLine: strings.Repeat("\x01", 400)}
	for range 8 {
		long.Ancestors = append(long.Ancestors, Ancestor{1 << 20, strings.Repeat("\x01", 15)})
	}
	v := OOMKill{Victim: &long, Certainty: "certain", Kills: 1}
	for range 16 {
		v.Recorded.Samples = append(v.Recorded.Samples, Sample{UsageBytes: 1 << 40})
	}
	for range 3 {
		v.Recorded.Largest = append(v.Recorded.Largest, RecordedProcess{PID: 1 << 20, Comm: long.Comm, FirstBytes: 1 << 40, LastBytes: 1 << 40})
	}
	level, _ := ParseLevel("info")
	lines := written(t, Options{Level: level, CommandLines: Full}, func(r *Reporter) {
		r.OOMKill(at, v)
		r.OOMKill(at, OOMKill{Victim: &Process{PID: 6, Comm: "x"}, Certainty: "certain", Kills: 2, Recorded: v.Recorded})
	})
	if len(lines) != 2 || strings.Contains(lines[0], "recorder") || !strings.Contains(lines[1], "recorder") {
		t.Fatalf("%d lines: %q", len(lines), lines)
	}
	for _, line := range lines {
		if len(line) > maxLineBytes || strings.Contains(line, "dropped_events") {
			t.Errorf("%d bytes: %q", len(line), line)
		}
	}
}
