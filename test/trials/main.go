// Command trials has the kernel kill at random in containers, and compares what oominit says with what the kernel's log
// says. It prints a table by kind. It takes root and a memory cgroup that can be made.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	program := flag.String("oominit", "bin/oominit", "the binary to try")
	scene := flag.String("scene", "bin/scene", "the program that runs in the containers")
	n := flag.Int("n", 1000, "how many trials")
	seed := flag.Int64("seed", time.Now().UnixNano(), "of the random choices")
	only := flag.String("kind", "", "only kinds whose name contains this")
	record := flag.String("record", "", "write the output of each trial to a file in this directory")
	verbose := flag.Bool("v", false, "show the events of every trial that went wrong, or took longer than the target")
	inUML := flag.Bool("uml", false, "run in a user-mode Linux: cgroup v2")
	powerOff := flag.Bool("poweroff", false, "only end the user-mode Linux that this is the first process of")
	flag.Parse()
	if *powerOff {
		fmt.Fprintln(os.Stderr, "trials:", poweroff())
		os.Exit(1)
	}
	if *inUML {
		if err := runInUML(); err != nil {
			fmt.Fprintln(os.Stderr, "trials:", err)
			os.Exit(1)
		}
		return
	}
	if err := run(options{*program, *scene, *n, *seed, *only, *record, *verbose}, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "trials:", err)
		os.Exit(1)
	}
}

// latencyTarget is the time from the kernel's kill to the event that 99 of 100 should not exceed.
const latencyTarget = 15 * time.Millisecond

// options are the flags.
type options struct {
	program, scene string
	n              int
	seed           int64
	only           string
	record         string
	verbose        bool
}

// run makes the trials and prints the table.
func run(o options, out io.Writer) error {
	p, err := findPlace()
	if err != nil {
		return err
	}
	log, err := openKernelLog()
	if err != nil {
		return err
	}
	for _, name := range []*string{&o.program, &o.scene} {
		if *name, err = filepath.Abs(*name); err != nil {
			return err
		}
		if _, err := os.Stat(*name); err != nil {
			return fmt.Errorf("run make trials, which builds it: %w", err)
		}
	}
	dir, err := os.MkdirTemp("", "oominit-trials-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	chosen := slices.DeleteFunc(slices.Clone(kinds), func(k kind) bool { return !strings.Contains(k.name, o.only) })
	if len(chosen) == 0 {
		return fmt.Errorf("no kind has %q in its name", o.only)
	}
	random := rand.New(rand.NewSource(o.seed))
	results := make([]tally, len(chosen))
	for i := range o.n {
		k := i % len(chosen)
		result, err := newTrial(chosen[k], i, random).run(p, log, o.program, o.scene, dir, random)
		if err != nil {
			return fmt.Errorf("trial %d (seed %d): %w", i, o.seed, err)
		}
		if o.record != "" {
			name := fmt.Sprintf("%03d-%s.jsonl", i, strings.NewReplacer(" ", "-", ",", "", "'", "").Replace(result.name))
			if err := os.WriteFile(filepath.Join(o.record, name), []byte(result.output), 0o644); err != nil {
				return err
			}
		}
		faults := results[k].add(result)
		if slowest := results[k].slowest; slowest > latencyTarget {
			faults = append(faults, fmt.Sprintf("an event after %s", slowest))
		}
		if len(faults) > 0 && o.verbose {
			fmt.Fprintf(os.Stderr, "trial %d, %s: %s\nkernel: %v, pids: %v, exit code %d\n%s\n", i, result.name,
				strings.Join(faults, "; "), result.kills, result.pids, result.code, result.output)
		}
	}
	if _, err := fmt.Fprintf(out, "%d trials, seed %d, %s\n\n%s", o.n, o.seed, describe(p), table(chosen, results)); err != nil {
		return err
	}
	return judge(results)
}

// describe names the kernel and the cgroup version.
func describe(p place) string {
	var uts unix.Utsname
	if unix.Uname(&uts) != nil {
		return "unknown kernel"
	}
	version := "v1"
	if p.v2 {
		version = "v2"
	}
	return "Linux " + unix.ByteSliceToString(uts.Release[:]) + ", cgroup " + version
}

var errMissed = errors.New("an OOM kill was not what it was said to be; -v shows which")
