package reliability

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oominit/oominit/internal/testproc"
)

// orphanScript has as many children as $2 leave TESTPROC_ORPHANS orphans each, and counts zombies until none is left, or
// once if $1 is set.
const orphanScript = `trap 'echo usr1' USR1; echo ready; read go; i=0
while [ $i -lt "$2" ]; do TESTPROC_HELPER=orphans "$0" & wait; wait; i=$((i+1)); echo made $i; done
read count; while :; do
	z=0; for f in /proc/[0-9]*/stat; do { read -r stat <"$f"; } 2>/dev/null && case $stat in *') Z '*) z=$((z+1));; esac; done
	if [ $z = 0 ] || [ -n "$1" ]; then echo zombies $z; break; fi
done; read end; exit 7`

// Twenty thousand orphans, or fifty if there is time: all are reaped, a signal in their midst is not held up, and no thread and no descriptor is left of
// them. The control: a PID 1 that does not reap leaves them zombies.
func TestOrphans(t *testing.T) {
	const children = 10
	each := 2000
	if long() {
		each = 5000
	}
	actor := testproc.BuildActor(t)
	in := box{env: []string{fmt.Sprint("TESTPROC_ORPHANS=", each)}}
	r := in.start(t, testproc.Build(t), "--", "/bin/sh", "-c", orphanScript, actor, "", fmt.Sprint(children))
	r.await("ready")
	threads, _ := r.census()
	begun := time.Now()
	r.say("go")
	var worst time.Duration
	for i := 1; i <= children; i++ {
		sent := time.Now()
		r.signal(unix.SIGUSR1)
		r.await("usr1")
		worst = max(worst, time.Since(sent))
		r.await(fmt.Sprint("made ", i))
	}
	r.say("count")
	if line := r.await("zombies"); line != "zombies 0" {
		t.Error(line)
	}
	took := time.Since(begun)
	until(t, "the descriptors are given back", func() bool { return r.watching() <= 2 }) // of the command
	after, _ := r.census()
	r.say("end")
	code, _ := r.end()
	t.Logf("%d orphans in %s; the worst of %d signals took %s", each*children, took.Round(time.Millisecond), children, worst.Round(time.Microsecond))
	if code != 7 || after != threads || worst > time.Second {
		t.Errorf("exit code %d; %d threads, then %d; the worst signal took %s; %q", code, threads, after, worst, r.errs.String())
	}

	control := box{env: []string{"TESTPROC_ORPHANS=500"}}.start(t, "/bin/sh", "-c", `"$@" <&0 & exec tail -f /dev/null`, "sh",
		"/bin/sh", "-c", orphanScript, actor, "once", "1")
	control.await("ready")
	control.say("go")
	control.await("made 1")
	control.say("count")
	if line := control.await("zombies"); line != "zombies 500" {
		t.Errorf("the control shows %s: this test proves nothing", line)
	}
}
