package options

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/oominit/oominit/supervisor"
)

// The real-time signals that a program may catch: the C libraries keep the first ones (signal(7)).
const (
	firstRealTimeSignal = 34
	lastSignal          = 64
)

// parseSignal reads SIGTERM, TERM, 15 or RTMIN+3, whatever the case.
func parseSignal(value string) (unix.Signal, error) {
	if n, err := strconv.Atoi(value); err == nil {
		if n < 1 || n > lastSignal {
			return 0, errNotAllowed
		}
		return unix.Signal(n), nil
	}
	name := strings.ToUpper(value)
	name = "SIG" + strings.TrimPrefix(name, "SIG")
	if number := unix.SignalNum(name); number != 0 {
		return number, nil
	}
	offset, fromMin := strings.CutPrefix(name, "SIGRTMIN")
	base, sign := firstRealTimeSignal, "+"
	if !fromMin {
		var fromMax bool
		if offset, fromMax = strings.CutPrefix(name, "SIGRTMAX"); !fromMax {
			return 0, errNotAllowed
		}
		base, sign = lastSignal, "-"
	}
	n := 0
	if offset != "" {
		var err error
		if n, err = strconv.Atoi(offset); err != nil || !strings.HasPrefix(offset, sign) {
			return 0, errNotAllowed
		}
	}
	if base+n < firstRealTimeSignal || base+n > lastSignal {
		return 0, errNotAllowed
	}
	return unix.Signal(base + n), nil
}

func signalNames() (names []string) {
	for n := unix.Signal(1); n < 32; n++ {
		if name := unix.SignalName(n); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// pairs splits text at blanks and commas into pairs joined by = or :, and calls set with each.
func pairs(text string, set func(from, to string) error) error {
	for pair := range strings.FieldsFuncSeq(text, func(c rune) bool { return c == ' ' || c == ',' || c == '\n' || c == '\t' }) {
		i := strings.IndexAny(pair, "=:")
		if i < 0 {
			return errNotAllowed
		}
		if err := set(pair[:i], pair[i+1:]); err != nil {
			return err
		}
	}
	return nil
}

// parseRewrite reads pairs of signals; with nothing or 0 for the second, the first is not forwarded.
func parseRewrite(text string) (map[unix.Signal]unix.Signal, error) {
	rewrite := map[unix.Signal]unix.Signal{}
	err := pairs(text, func(from, to string) error {
		received, err := parseSignal(from)
		if err != nil {
			return err
		}
		forwarded := supervisor.Drop
		if to != "" && to != "0" {
			forwarded, err = parseSignal(to)
		}
		rewrite[received] = forwarded
		return err
	})
	return rewrite, err
}

// parseExitCodes reads pairs of exit codes.
func parseExitCodes(text string) (map[int]int, error) {
	codes := map[int]int{}
	err := pairs(text, func(from, to string) error {
		own, err := strconv.ParseUint(from, 10, 8)
		if err != nil {
			return err
		}
		code, err := strconv.ParseUint(to, 10, 8)
		codes[int(own)] = int(code)
		return err
	})
	return codes, err
}
