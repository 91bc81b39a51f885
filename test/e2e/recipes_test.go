package e2e

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oominit/oominit/internal/testcgroup"
	"github.com/oominit/oominit/internal/testproc"
)

// recipe is one folder of examples, built as its Dockerfile says.
type recipe struct {
	name, image string
	// memory is the limit that its README gives to docker run.
	memory string
	// execs are the lines of its README that begin with docker exec.
	execs []string
	// command is what the Dockerfile starts below oominit.
	command []string
}

// build makes the image of a recipe. Only the base and what was installed on it are ours.
func build(t *testing.T, name string) recipe {
	t.Helper()
	base := newImage(t)
	r := recipe{name: name, image: strings.Replace(base, ":", "-"+name+":", 1)}
	readme, err := os.ReadFile(filepath.Join(examples, name, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if limit := regexp.MustCompile(` --memory (\w+) `).FindSubmatch(readme); limit != nil {
		r.memory = string(limit[1])
	} else {
		t.Fatal("its README has no --memory")
	}
	for line := range strings.Lines(string(readme)) {
		if line, ok := strings.CutPrefix(line, "    docker exec "); ok {
			_, line, _ = strings.Cut(line, " ")
			r.execs = append(r.execs, line)
		}
	}

	directory := t.TempDir()
	if err := os.CopyFS(directory, os.DirFS(filepath.Join(examples, name))); err != nil {
		t.Fatal(err)
	}
	dockerfile := filepath.Join(directory, "Dockerfile")
	text, err := os.ReadFile(dockerfile)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	if lines[0] != "FROM debian:bookworm-slim" {
		t.Fatalf("the Dockerfile begins with %q", lines[0])
	}
	lines[0] = "FROM " + base
	lines = slices.DeleteFunc(lines, func(line string) bool { return strings.HasPrefix(line, install) })
	if err := os.WriteFile(dockerfile, []byte(strings.Join(lines, "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(testproc.Build(t))
	if err != nil {
		t.Fatal(err)
	}
	// Whoever tried the recipe by hand has one there.
	if err := os.RemoveAll(filepath.Join(directory, "bin")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(directory, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(directory, "bin", "oominit"), program, 0o755); err != nil {
		t.Fatal(err)
	}
	// The engine's own builder is there without a plug-in.
	t.Setenv("DOCKER_BUILDKIT", "0")
	mustDocker(t, "build", "-q", "--network", "none", "--force-rm", "-t", r.image, directory)
	t.Cleanup(func() { cleanDocker(t, "rmi", r.image) })
	if err := json.Unmarshal([]byte(mustDocker(t, "inspect", "-f", "{{json .Config.Cmd}}", r.image)), &r.command); err != nil {
		t.Fatal(err)
	}
	return r
}

// trial is a container that runs a recipe.
type trial struct {
	recipe
	id     string
	cgroup *testcgroup.Cgroup
}

// start runs the recipe as its Dockerfile says, but for these options of docker run.
func (r recipe) start(t *testing.T, options ...string) trial {
	t.Helper()
	return r.run(t, append(options, r.image)...)
}

// bare runs the recipe's command without oominit.
func (r recipe) bare(t *testing.T, options ...string) trial {
	t.Helper()
	return r.run(t, slices.Concat(options, []string{"--entrypoint", r.command[0], r.image}, r.command[1:])...)
}

func (r recipe) run(t *testing.T, arguments ...string) trial {
	t.Helper()
	id := mustDocker(t, append([]string{
		"run", "-d", "--network", "none", "--memory", r.memory, "--memory-swap", r.memory,
		"--label", "oominit.e2e=" + strconv.Itoa(os.Getpid()),
	}, arguments...)...)
	t.Cleanup(func() {
		if t.Failed() {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			// The engine sorts the two outputs into one.
			logs, err := exec.CommandContext(ctx, "docker", "logs", id).CombinedOutput()
			t.Logf("logs of %s (%v):\n%s", id, err, logs)
		}
		cleanDocker(t, "rm", "-f", id)
	})
	return trial{recipe: r, id: id, cgroup: cgroupOf(t, id)}
}

// try runs the README's docker exec line of that number, counted from 0, once.
func (c trial) try(t *testing.T, line int) (stdout string, err error) {
	t.Helper()
	if line >= len(c.execs) {
		t.Fatalf("its README has %d docker exec lines", len(c.execs))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", "exec docker exec "+c.id+" "+c.execs[line])
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.Output()
	return string(out), err
}

// answers waits until the README's line succeeds and says that.
func (c trial) answers(t *testing.T, line int, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out string
	var err error
	if testproc.Poll(ctx, func() bool {
		out, err = c.try(t, line)
		return err == nil && strings.Contains(out, want)
	}) != nil {
		t.Fatalf("%s does not say %q: %q, %v", c.execs[line], want, out, err)
	}
}

// kill has the README's line take too much memory, and returns when the kernel has killed once more.
func (c trial) kill(t *testing.T, line int) {
	t.Helper()
	before := c.cgroup.Kills(t)
	if out, err := c.try(t, line); err == nil {
		t.Fatalf("%s succeeded: %q", c.execs[line], out)
	}
	c.kills(t, before+1)
}

// kills waits until the kernel has counted so many.
func (c trial) kills(t *testing.T, want int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := testproc.Poll(ctx, func() bool { return c.cgroup.Kills(t) >= want }); err != nil {
		t.Fatalf("the kernel has counted %d OOM kills, want %d", c.cgroup.Kills(t), want)
	}
}

// reported waits until there are events of so many kills.
func (c trial) reported(t *testing.T, want int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := testproc.Poll(ctx, func() bool {
		logs, err := docker(ctx, "logs", c.id)
		return err == nil && strings.Count(logs, `"event":"oom_kill"`) >= want
	}); err != nil {
		t.Fatalf("no %d oom_kill events", want)
	}
}

// ending is how a container ended.
type ending struct {
	kills  int // as the kernel counted them
	code   int
	output string
	events []testproc.Event
}

// ended waits until the container has ended by itself.
func (c trial) ended(t *testing.T) (e ending) {
	t.Helper()
	code := mustDocker(t, "wait", c.id)
	var err error
	if e.code, err = strconv.Atoi(code); err != nil {
		t.Fatal(err)
	}
	if killed := mustDocker(t, "inspect", "-f", "{{.State.OOMKilled}}", c.id); killed != "true" {
		t.Errorf("the engine says that OOMKilled is %s", killed)
	}
	e.output = mustDocker(t, "logs", c.id) + "\n"
	e.events = testproc.Events(t, e.output)
	return e
}

// stopped stops the container as a user does.
func (c trial) stopped(t *testing.T) ending {
	t.Helper()
	kills := c.cgroup.Kills(t)
	mustDocker(t, "stop", "-t", "30", c.id)
	e := c.ended(t)
	e.kills = kills
	return e
}

// found runs a container until no victim is unattributed: on a busy machine a process that was just forked may be killed
// before it was seen, which the README says, and what follows from it is no matter of the recipes.
func found(t *testing.T, run func() ending) ending {
	t.Helper()
	for range 5 {
		e := run()
		if !strings.Contains(e.output, `"certainty":"unattributed"`) {
			return e
		}
		t.Logf("once more, a victim was not found:\n%s", e.output)
	}
	t.Fatal("a victim was not found in 5 runs")
	return ending{}
}

// wantCode fails unless that is the exit code.
func (e ending) wantCode(t *testing.T, want int) {
	t.Helper()
	if e.code != want {
		t.Errorf("exit code %d, want %d", e.code, want)
	}
}

// wantVictims fails unless each kill has an event that names a process of this name, and these actions follow.
func (e ending) wantVictims(t *testing.T, name, origin string, actions ...string) {
	t.Helper()
	found := testproc.Named(e.events, "oom_kill")
	if len(found) != e.kills || e.kills == 0 {
		t.Errorf("%d oom_kill events, the kernel counted %d", len(found), e.kills)
	}
	for _, kill := range found {
		got := kill.String("process", "executable", "name")
		if got != name || kill.String("role") != "leaf" || kill.String("origin") != origin {
			t.Errorf("victim %q, %s, %s; want %s, leaf, %s", got, kill.String("role"), kill.String("origin"), name, origin)
		}
	}
	var got []string
	for _, decision := range testproc.Named(e.events, "policy") {
		got = append(got, decision.String("action"))
	}
	if !slices.Equal(got, actions) {
		t.Errorf("actions %q, want %q", got, actions)
	}
	for _, exit := range testproc.Named(e.events, "exit") {
		number := exit.Number("decided_by", "oom_kill")
		if number == 0 || number > len(found) {
			continue // the exit code is the command's own
		}
		for _, key := range []string{"pid", "parent_pid"} {
			if got, want := exit.Number("decided_by", "process", key), found[number-1].Number("process", key); got != want {
				t.Errorf("decided by a process with the %s %d, the kill's was %d", key, got, want)
			}
		}
	}
}

// wantSilence fails if there are events: the control without oominit.
func (e ending) wantSilence(t *testing.T) {
	t.Helper()
	if len(e.events) > 0 {
		t.Errorf("events without oominit: %v", e.events)
	}
}

// times is that word so often.
func times(n int, word string) []string { return slices.Repeat([]string{word}, n) }

// service tries a recipe whose main process replaces what was killed, with the README's first line, which kills, and its
// second, which says want if the service works. Two kills are within the budget, the third is not.
func service(t *testing.T, name, victim, want string) {
	r := build(t, name)

	t.Run("goes on", func(t *testing.T) {
		e := found(t, func() ending {
			c := r.start(t)
			c.answers(t, 1, want)
			c.kill(t, 0)
			c.answers(t, 1, want)
			return c.stopped(t)
		})
		e.wantCode(t, 0)
		e.wantVictims(t, victim, "tree", times(e.kills, "continue")...)
	})

	t.Run("budget spent", func(t *testing.T) {
		e := found(t, func() ending {
			c := r.start(t)
			for n := range 2 {
				c.answers(t, 1, want)
				c.kill(t, 0)
				c.reported(t, n+1)
			}
			c.answers(t, 1, want)
			if out, err := c.try(t, 0); err == nil {
				t.Fatalf("%s succeeded: %q", c.execs[0], out)
			}
			e := c.ended(t)
			e.kills = 3 // the cgroup is gone, and without the third the container would have gone on
			return e
		})
		e.wantCode(t, 137)
		e.wantVictims(t, victim, "tree", "continue", "continue", "stop")
	})

	t.Run("without the rules", func(t *testing.T) {
		e := found(t, func() ending {
			c := r.start(t, "--env", "OOMINIT_RULES=")
			c.answers(t, 1, want)
			c.kill(t, 0)
			c.answers(t, 1, want)
			return c.stopped(t)
		})
		e.wantCode(t, 137)
		e.wantVictims(t, victim, "tree", times(e.kills, "propagate")...)
	})

	t.Run("without oominit", func(t *testing.T) {
		c := r.bare(t)
		c.answers(t, 1, want)
		c.kill(t, 0)
		c.answers(t, 1, want)
		e := c.stopped(t)
		e.wantCode(t, 0)
		e.wantSilence(t)
	})
}

func TestRecipePostgreSQL(t *testing.T) {
	testproc.Require(t, "docker", dockerReason())
	service(t, "postgresql", "postgres", "it answers again")
}

func TestRecipeGunicorn(t *testing.T) {
	testproc.Require(t, "docker", dockerReason())
	service(t, "gunicorn", "gunicorn", "5 MiB")
}

// killsUntilEnd counts along until the container has ended, and its cgroup with it: the last kill is a while before.
func (c trial) killsUntilEnd(t *testing.T) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	last := 0
	if err := testproc.Poll(ctx, func() bool {
		kills, err := c.cgroup.CountedKills()
		last = max(last, kills)
		return err != nil
	}); err != nil {
		t.Fatal("the container does not end")
	}
	return last
}

func TestRecipeMake(t *testing.T) {
	testproc.Require(t, "docker", dockerReason())
	r := build(t, "make")
	run := func(t *testing.T, start func(t *testing.T, options ...string) trial, options ...string) ending {
		t.Helper()
		c := start(t, options...)
		kills := c.killsUntilEnd(t)
		e := c.ended(t)
		e.kills = kills
		if kills == 0 {
			t.Error("the kernel did not kill")
		}
		made := make(map[string]bool)
		for line := range strings.Lines(e.output) {
			if part, ok := strings.CutSuffix(line, " is made\n"); ok {
				made[part] = true
			}
		}
		if len(made) != 8 {
			t.Errorf("%d of 8 parts were made", len(made))
		}
		return e
	}

	t.Run("goes on", func(t *testing.T) {
		e := found(t, func() ending {
			e := run(t, r.start)
			e.wantCode(t, 0) // whether the victims were found or not
			return e
		})
		e.wantVictims(t, "tail", "tree", times(e.kills, "continue")...)
	})
	t.Run("without the rules", func(t *testing.T) {
		e := found(t, func() ending { return run(t, r.start, "--env", "OOMINIT_RULES=") })
		e.wantCode(t, 137)
		e.wantVictims(t, "tail", "tree", times(e.kills, "propagate")...)
	})
	t.Run("without oominit", func(t *testing.T) {
		e := run(t, r.bare)
		e.wantCode(t, 0)
		e.wantSilence(t)
	})
}

func TestRecipeJob(t *testing.T) {
	testproc.Require(t, "docker", dockerReason())
	r := build(t, "job")
	parts, err := os.ReadFile(filepath.Join(examples, "job", "parts"))
	if err != nil {
		t.Fatal(err)
	}
	// The list of parts does not end before the kernel has killed, so that what it counted can be read.
	run := func(t *testing.T, start func(t *testing.T, options ...string) trial) ending {
		t.Helper()
		fifo := filepath.Join(t.TempDir(), "parts")
		if err := unix.Mkfifo(fifo, 0o600); err != nil {
			t.Fatal(err)
		}
		// Open for both, it waits for no reader, and the reader sees no end.
		list, err := os.OpenFile(fifo, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		c := start(t, "-v", fifo+":/job/parts")
		if _, err := list.Write(parts); err != nil {
			t.Fatal(err)
		}
		c.kills(t, 1)
		kills := c.cgroup.Kills(t)
		if err := list.Close(); err != nil {
			t.Fatal(err)
		}
		e := c.ended(t)
		e.kills = kills
		if !strings.Contains(e.output, "16 MiB are done") || !strings.Contains(e.output, "all parts are done") {
			t.Error("the coordinator and the other workers should have finished")
		}
		return e
	}

	t.Run("propagates", func(t *testing.T) {
		e := found(t, func() ending { return run(t, r.start) })
		e.wantCode(t, 137)
		e.wantVictims(t, "python3", "tree", times(e.kills, "propagate")...)
	})
	t.Run("without oominit", func(t *testing.T) {
		e := run(t, r.bare)
		e.wantCode(t, 0)
		e.wantSilence(t)
	})

	manifest, err := os.ReadFile(filepath.Join(examples, "job", "job.yaml"))
	if err != nil || !strings.Contains(string(manifest), "values: [137]") {
		t.Errorf("the manifest does not key on 137: %v", err)
	}
}

func TestRecipeNginx(t *testing.T) {
	testproc.Require(t, "docker", dockerReason())
	r := build(t, "nginx")
	readme, err := os.ReadFile(filepath.Join(examples, "nginx", "README.md"))
	const byHand = "continue origin=exec"
	if err != nil || !strings.Contains(string(readme), "`"+byHand+"`") {
		t.Fatalf("its README does not have the rule %q: %v", byHand, err)
	}
	run := func(t *testing.T, start func(t *testing.T, options ...string) trial, options ...string) ending {
		t.Helper()
		c := start(t, options...)
		nginxWorker(t, c.id, "")
		c.kill(t, 0)
		nginxWorker(t, c.id, "")
		return c.stopped(t)
	}

	t.Run("propagates", func(t *testing.T) {
		e := found(t, func() ending { return run(t, r.start) })
		e.wantCode(t, 137)
		e.wantVictims(t, "stress", "exec", times(e.kills, "propagate")...)
	})
	t.Run("by hand", func(t *testing.T) {
		e := found(t, func() ending { return run(t, r.start, "--env", "OOMINIT_RULES="+byHand) })
		e.wantCode(t, 0)
		e.wantVictims(t, "stress", "exec", times(e.kills, "continue")...)
	})
	t.Run("without oominit", func(t *testing.T) {
		e := run(t, r.bare)
		e.wantCode(t, 0)
		e.wantSilence(t)
	})
}
