package report

import (
	"bytes"
	"encoding/json"
	"os"
	"os/signal"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var at = time.Unix(1700000000, 0)

const hostile = "a\n\"b\x1b[2J\xff"

func pipe(t *testing.T) (read, write *os.File) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = read.Close(); _ = write.Close() })
	return read, write
}

// written returns the lines that a Reporter writes in emit.
func written(t *testing.T, options Options, emit func(*Reporter)) []string {
	t.Helper()
	read, write := pipe(t)
	options.FD = int(write.Fd())
	r := New(options)
	emit(r)
	r.Flush(10 * time.Second)
	if err := write.Close(); err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if _, err := text.ReadFrom(read); err != nil {
		t.Fatal(err)
	}
	return slices.Collect(strings.Lines(text.String()))
}

var hostileProcess = Process{PID: 5, ParentPID: 1, Comm: hostile, CommandLine: hostile + "\x00x\x00", UIDKnown: true, ResidentBytes: 9}

func all(r *Reporter) {
	m := Memory{LimitBytes: 1 << 20, UsageBytes: 2, PeakBytes: 3}
	r.Started(at, Started{Main: &hostileProcess, PID: 1, Policy: "stop", Cgroup: &Cgroup{Version: "v2", OOMGroup: true}, Memory: m})
	r.OOMKill(at, OOMKill{Victim: &hostileProcess, Role: "leaf", Origin: "tree", Certainty: "certain", Evidence: []string{"x"}, Memory: m, Kills: 1})
	r.OOMKill(at, OOMKill{Candidates: []Process{hostileProcess}, Certainty: "unattributed", Kills: 2})
	r.SIGKILL(at, SIGKILL{Process: hostileProcess})
	r.LimitHit(at, LimitHit{Hits: 3, Memory: m})
	r.Policy(at, Policy{Action: "stop", Signal: "SIGTERM", GracePeriod: time.Second, ExitCode: 137})
	r.Unsupported(at, Unsupported{Reason: hostile})
	r.Warning(at, Warning{Text: hostile})
	r.Exit(at, Exit{Code: 137, Reason: "policy", Main: &Ending{PID: 5, Signal: "SIGKILL"}, Kills: 2, Memory: m})
	r.Exit(at, Exit{Code: 0, Reason: "main_exited"})
	r.Reaped(at, Reaped{Child: Ending{PID: 7, Code: 3}, Warn: true})
	r.Reaped(at, Reaped{Child: Ending{PID: 7, Code: 3}})
}

func TestEveryEventIsOneJSONLine(t *testing.T) {
	want := []struct{ event, level, keys string }{
		{"started", "info", "process init cgroup memory policy"},
		{"oom_kill", "error", "process role origin certainty evidence limit oom_kills memory"},
		{"oom_kill", "error", "candidates certainty evidence oom_kills"},
		{"sigkill", "info", "process role origin evidence"},
		{"memory_limit_hit", "info", "hits memory"},
		{"policy", "warn", "action exit_code signal grace_period_seconds"},
		{"unsupported", "warn", "reason"},
		{"warning", "warn", ""},
		{"exit", "warn", "exit_code reason main oom_kills memory"},
		{"exit", "info", "exit_code reason oom_kills"},
		{"reaped", "warn", "child"},
	}
	level, _ := ParseLevel("info")
	lines := written(t, Options{Level: level}, all)
	if len(lines) != len(want) {
		t.Fatalf("%d lines: %q", len(lines), lines)
	}
	for i, w := range want {
		var got map[string]any
		if err := json.Unmarshal([]byte(lines[i]), &got); err != nil {
			t.Fatalf("%q: %v", lines[i], err)
		}
		if got["event"] != w.event || got["level"] != w.level {
			t.Errorf("got %q", lines[i])
		}
		for _, key := range append(strings.Fields(w.keys), "time", "message") {
			if _, ok := got[key]; !ok {
				t.Errorf("%s lacks %s", w.event, key)
			}
		}
	}
	for _, line := range written(t, Options{Level: level, Format: Console}, all) {
		if strings.Contains(line, "\x1b") || strings.Contains(line, "\xff") || !strings.HasPrefix(line, "2023-11-14T") {
			t.Errorf("got %q", line)
		}
	}
}

func TestLevels(t *testing.T) {
	for name, want := range map[string]int{"debug": 12, "info": 11, "warn": 7, "error": 2, "off": 0} {
		level, ok := ParseLevel(name)
		if got := written(t, Options{Level: level}, all); !ok || len(got) != want {
			t.Errorf("%s: %d lines", name, len(got))
		}
	}
	if _, ok := ParseLevel("loud"); ok {
		t.Error("an unknown level is taken")
	}
}

func TestBlockedPipeDropsAndTells(t *testing.T) {
	read, write := pipe(t)
	level, _ := ParseLevel("info")
	r := New(Options{Level: level, FD: int(write.Fd())})
	for puts := 0; puts < 5000 || (!r.queue.hasLost() && puts < 1_000_000); puts++ {
		r.Warning(at, Warning{Text: strings.Repeat("x", 100)})
	}
	if !r.queue.hasLost() {
		t.Fatal("the control: nothing was lost")
	}
	text := make(chan string, 1)
	go func() {
		var b bytes.Buffer
		_, _ = b.ReadFrom(read) // what is missing shows below
		text <- b.String()
	}()
	r.Flush(10 * time.Second)
	r.Warning(at, Warning{Text: "after"})
	r.Flush(10 * time.Second)
	_ = write.Close()
	total := 0
	for line := range strings.Lines(<-text) {
		var got struct {
			Dropped int `json:"dropped_events"`
		}
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		total += 1 + got.Dropped
	}
	if total != 5001 {
		t.Errorf("written and dropped: %d", total)
	}
}

func TestReaderThatLeft(t *testing.T) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGPIPE)
	defer signal.Stop(signals)
	read, write := pipe(t)
	_ = read.Close()
	level, _ := ParseLevel("info")
	r := New(Options{Level: level, FD: int(write.Fd())})
	all(r)
	r.Flush(10 * time.Second)
	if !r.queue.hasLost() {
		t.Error("the control: the lines were written")
	}
	select {
	case <-signals:
		t.Error("SIGPIPE was delivered")
	default:
	}
}

func TestLongestLine(t *testing.T) {
	p := Process{PID: 1, Comm: strings.Repeat("\xff", 15), CommandLine: strings.Repeat("\x01", 9999)}
	for range 8 {
		p.Ancestors = append(p.Ancestors, Ancestor{1 << 22, p.Comm})
	}
	level, _ := ParseLevel("info")
	lines := written(t, Options{Level: level, CommandLines: Full}, func(r *Reporter) { r.OOMKill(at, OOMKill{Victim: &p}) })
	if len(lines) != 1 || len(lines[0]) > maxLineBytes {
		t.Errorf("got %d lines", len(lines))
	}
}

func TestRedact(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"a\x00--password=x", "a --password=[redacted]"},
		{"a\x00--token\x00x\x00y", "a --token [redacted] y"},
		{"env\x00TOKEN=x", "env TOKEN=[redacted]"},
		{"curl\x00https://u:p@h/", "curl https://u:[redacted]@h/"},
		{"curl\x00-H\x00Authorization: Bearer x", "curl -H Authorization: Bearer [redacted]"},
		{"sh\x00-c\x00mysql --password=x", "sh -c mysql --password=[redacted]"},
		{"sleep\x001000", "sleep 1000"},
		{"java\x00-Xmx1g\x00-jar\x00a.jar", "java -Xmx1g -jar a.jar"},
		{"curl\x00https://h:80/a@b", "curl https://h:80/a@b"},
		{"sh\x00-c\x00echo token", "sh -c echo token"},
	} {
		if got := Redacted.apply(c.in + "\x00"); got != c.want {
			t.Errorf("%q: %q, want %q", c.in, got, c.want)
		}
	}
	if Executable.apply("a\x00b\x00") != "a" || Off.apply("a\x00") != "" || Full.apply("a\x00--token=x\x00") != "a --token=x" {
		t.Error("modes")
	}
}

func FuzzRedact(f *testing.F) {
	f.Add("a\x00--password=x\x00")
	f.Add("sh\x00-c\x00curl https://u:p@h --token  x\x00")
	f.Fuzz(func(t *testing.T, raw string) {
		if got := Redacted.apply(raw); len(got) > maxCommandLine+len("…") {
			t.Errorf("%d bytes", len(got))
		}
	})
}

// Held, nothing is written; the end of the holding, or a flush, lets all of it through.
func TestHold(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	level, _ := ParseLevel("info")
	r := New(Options{Level: level, FD: int(write.Fd())})
	r.Hold(time.Now().Add(time.Hour))
	r.Warning(at, Warning{Text: "held"})
	if n, err := unix.Poll([]unix.PollFd{{Fd: int32(read.Fd()), Events: unix.POLLIN}}, 20); n != 0 {
		t.Fatalf("written: %d, %v", n, err)
	}
	r.Flush(10 * time.Second)
	if n, err := unix.Poll([]unix.PollFd{{Fd: int32(read.Fd()), Events: unix.POLLIN}}, 10_000); n != 1 {
		t.Errorf("not written: %d, %v", n, err)
	}
}

// What was put before the holding is written during it: with its writer late by a moment, an event waited for as long as the
// limit was hit.
func TestHoldIsForLaterLines(t *testing.T) {
	q := &queue{ring: make([]byte, queueBytes), more: make(chan struct{}, 1)}
	var line [maxLineBytes]byte
	q.put([]byte("before\n"))
	q.hold(time.Now().Add(time.Hour))
	q.put([]byte("during\n"))
	q.hold(time.Now().Add(2 * time.Hour))
	q.await()
	if n := q.next(line[:]); string(line[:n]) != "before\n" || q.free != 0 || q.left() < time.Hour {
		t.Errorf("%q, %d bytes free, held for %s", line[:n], q.free, q.left())
	}
}

// Held, a line goes to a pipe that has a page to take it: one that had a line, and whose reader has read it.
func TestHoldIsForWhatTakesMemory(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	var line [64]byte
	expect := func(want string) {
		t.Helper()
		if n, err := read.Read(line[:]); err != nil || string(line[:n]) != want {
			t.Fatalf("%q, %v", line[:n], err)
		}
	}
	q := newQueue(int(write.Fd()))
	q.put([]byte("first\n"))
	expect("first\n")
	q.flush(time.Minute)
	q.hold(time.Now().Add(time.Hour))
	q.put([]byte("second\n"))
	expect("second\n")

	q.put([]byte("third\n"))
	if n, err := unix.Poll([]unix.PollFd{{Fd: int32(read.Fd()), Events: unix.POLLIN}}, 10_000); n != 1 {
		t.Fatalf("not written: %d, %v", n, err)
	}
	q.put([]byte("fourth\n")) // the third is in the pipe, so that this one may need another page
	if q.empty() {
		t.Error("a pipe that holds something is empty")
	}
	expect("third\n")
	expect("fourth\n")
}
