package reliability

import (
	"fmt"
	"strings"
	"testing"

	"github.com/oominit/oominit/internal/testcgroup"
)

// With an RLIMIT_NOFILE of filesToStart the command is started, with filesToCount kills are counted, and with filesToName it is
// seen who was killed. Three are stdin, stdout and stderr.
const (
	filesToStart = 10
	filesToCount = 11
	filesToName  = 24
)

func TestFewDescriptors(t *testing.T) {
	for _, files := range []int{3, 4, 5, 6, 7, 8, 9, filesToStart, filesToCount, 12, 13, 14, 16, filesToName} {
		memory := testcgroup.New(t, 64<<20)
		r := box{memory: memory, before: fmt.Sprint("ulimit -n ", files)}.start(t, shell(t, "tail /dev/zero; exit 0")...)
		code, out := r.end()
		errs := r.errs.String()
		got := kills(t, out)
		var ok bool
		switch {
		case files < filesToStart:
			ok = code == 125 && out == "" && strings.HasPrefix(errs, "oominit: cannot ") && strings.Count(errs, "\n") == 1
		case files < filesToCount:
			ok = code == 0 && len(got) == 0 && strings.Contains(out, `"unsupported"`)
		case files < filesToName:
			ok = code == 137 && len(got) == memory.Kills(t)
		default:
			ok = code == 137 && len(got) == memory.Kills(t) && got[0].String("process", "executable", "name") == "tail"
		}
		if !ok {
			t.Errorf("%d descriptors: exit code %d, events %v, %q", files, code, got, errs)
		}
	}
}

// Go reserves some 690 MiB of address space at its start, of which it uses next to nothing. With less it ends by itself, with
// 2 and a dump, before a line of ours has run.
func TestAddressSpace(t *testing.T) {
	for kilobytes, want := range map[int]int{500_000: 2, 1_000_000: 137} {
		memory := testcgroup.New(t, 64<<20)
		r := box{memory: memory, before: fmt.Sprint("ulimit -v ", kilobytes)}.start(t, shell(t, "tail /dev/zero; exit 0")...)
		code, out := r.end()
		if errs := r.errs.String(); code != want || code == 137 && len(kills(t, out)) != 1 || code == 2 && !strings.HasPrefix(errs, "fatal error: ") {
			t.Errorf("%d KB: exit code %d, %q, %.200q", kilobytes, code, out, errs)
		}
	}
}
