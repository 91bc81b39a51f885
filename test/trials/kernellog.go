package main

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// kernelLog reads /dev/kmsg: the witness who was killed, independent of everything that oominit looks at.
type kernelLog struct {
	fd int
	// boot is the wall clock at the zero of the log's own clock.
	boot time.Time
}

// kernelKill is one line of the log.
type kernelKill struct {
	comm string
	at   time.Time
}

// openKernelLog opens the log at its end, and compares its clock with ours by a line of its own.
func openKernelLog() (*kernelLog, error) {
	fd, err := unix.Open("/dev/kmsg", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot read the kernel log: %w", err)
	}
	if _, err := unix.Seek(fd, 0, unix.SEEK_END); err != nil {
		return nil, fmt.Errorf("cannot seek in the kernel log: %w", err)
	}
	l := &kernelLog{fd: fd}
	mark := fmt.Sprintf("oominit trials %d", time.Now().UnixNano())
	before := time.Now()
	if _, err := unix.Write(fd, []byte("<7>"+mark+"\n")); err != nil {
		return nil, fmt.Errorf("cannot write to the kernel log: %w", err)
	}
	now := before.Add(time.Since(before) / 2)
	l.read(func(at time.Duration, text []byte) {
		if bytes.Contains(text, []byte(mark)) {
			l.boot = now.Add(-at)
		}
	})
	if l.boot.IsZero() {
		return nil, errors.New("the kernel log does not show what was written to it")
	}
	return l, nil
}

// read calls yield with each record that is new: its time since boot, and its text.
func (l *kernelLog) read(yield func(at time.Duration, text []byte)) {
	var record [8192]byte
	for {
		n, err := unix.Read(l.fd, record[:])
		if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.EINTR) { // EPIPE: records were overwritten, and the next read goes on after them
			continue
		}
		if err != nil || n <= 0 {
			return
		}
		// PRIORITY,SEQUENCE,MICROSECONDS,FLAGS;TEXT (Documentation/ABI/testing/dev-kmsg)
		header, text, _ := bytes.Cut(record[:n], []byte(";"))
		fields := bytes.Split(header, []byte(","))
		if len(fields) < 3 {
			continue
		}
		micros, err := strconv.ParseInt(string(fields[2]), 10, 64)
		if err == nil {
			yield(time.Duration(micros)*time.Microsecond, text)
		}
	}
}

// The line of every kill (__oom_kill_process in mm/oom_kill.c), which is never left out, as the report before it can be.
var killedLine = regexp.MustCompile(`(?s)Killed process \d+ \((.*)\) total-vm:`)

// kills returns the kills since the last call.
func (l *kernelLog) kills() (kills []kernelKill) {
	l.read(func(at time.Duration, text []byte) {
		line, _, _ := bytes.Cut(text, []byte("\n"))
		if m := killedLine.FindSubmatch(line); m != nil {
			kills = append(kills, kernelKill{unescape(m[1]), l.boot.Add(at)})
		}
	})
	return kills
}

// unescape undoes what /dev/kmsg does to bytes that are not printable, and to the backslash: \xNN.
func unescape(text []byte) string {
	var out []byte
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+3 < len(text) && text[i+1] == 'x' {
			if c, err := strconv.ParseUint(string(text[i+2:i+4]), 16, 8); err == nil {
				out = append(out, byte(c))
				i += 3
				continue
			}
		}
		out = append(out, text[i])
	}
	return string(out)
}
