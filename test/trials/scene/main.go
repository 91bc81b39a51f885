// Command scene is what runs in the containers of the trials: a main process, the links of a chain below it, and those
// whom the OOM killer takes. Its arguments are a role and KEY=VALUE pairs, so that it needs no more memory than it must.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The thread that a program starts with stays with its main goroutine, so that it can be ended alone.
func init() { runtime.LockOSThread() }

var settings = map[string]string{}

func main() {
	if len(os.Args) < 2 {
		fail("usage: scene ROLE KEY=VALUE...")
	}
	for _, setting := range os.Args[2:] {
		key, value, _ := strings.Cut(setting, "=")
		settings[key] = value
	}
	roles := map[string]func(){"main": mainRole, "link": link, "hog": hog, "idle": idle}
	role, ok := roles[os.Args[1]]
	if !ok {
		fail("no role %q", os.Args[1])
	}
	rename()
	role()
}

func fail(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, "scene: "+format+"\n", arguments...)
	os.Exit(99)
}

// rename takes the name that the trial knows us by; it is given in hexadecimal, since any bytes are a name.
func rename() {
	var name []byte
	if _, err := fmt.Sscanf(settings["name"], "%x", &name); err != nil {
		return
	}
	// Of all threads: the kernel's log names the one that has the memory, where the first one has ended.
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		fail("%v", err)
	}
	for _, thread := range threads {
		if err := os.WriteFile("/proc/self/task/"+thread.Name()+"/comm", name, 0); err != nil && !errors.Is(err, os.ErrNotExist) {
			fail("%v", err)
		}
	}
}

func number(key string) int {
	n, _ := strconv.Atoi(settings[key]) // 0 without
	return n
}

// start runs this program in another role. The files are its descriptors from 3 on.
func start(role string, changed map[string]string, files ...*os.File) *exec.Cmd {
	arguments := []string{role}
	for key, value := range settings {
		if _, ok := changed[key]; !ok {
			arguments = append(arguments, key+"="+value)
		}
	}
	for key, value := range changed {
		arguments = append(arguments, key+"="+value)
	}
	cmd := exec.Command(settings["self"], arguments...)
	cmd.Stderr, cmd.ExtraFiles = os.Stderr, files
	if err := cmd.Start(); err != nil {
		fail("cannot start %s: %v", role, err)
	}
	return cmd
}

// mainRole starts what the trial asks for, and ends with the code that it asks for.
func mainRole() {
	for range number("neighbours") {
		if err := exec.Command("/bin/sleep", "60").Start(); err != nil {
			fail("%v", err)
		}
	}
	var lookAlike *exec.Cmd
	if name := settings["lookalike"]; name != "" {
		lookAlike = start("idle", map[string]string{"name": name})
		waitForTruth(name)
	}
	if settings["when"] == "alone" {
		kill(lookAlike)
	}
	if settings["await"] != "" { // somebody enters from outside
		fmt.Println("ready")
		_, _ = os.Stdin.Read(make([]byte, 1)) // the end of the input is what is waited for
	}
	watching := make(chan struct{})
	if settings["when"] == "count" {
		go func() {
			awaitCount()
			kill(lookAlike)
			close(watching)
		}()
	} else {
		close(watching)
	}
	var ended []chan struct{}
	for name := range strings.SplitSeq(settings["hogs"], ",") {
		if name == "" {
			continue
		}
		done := make(chan struct{})
		go func() {
			chain(name)
			close(done)
		}()
		if settings["together"] == "" {
			<-done
		}
		ended = append(ended, done)
	}
	for _, done := range ended {
		<-done
	}
	if settings["when"] == "after" {
		kill(lookAlike)
	}
	select { // without a kill, nothing is counted
	case <-watching:
	case <-time.After(2 * time.Second):
	}
	time.Sleep(time.Duration(number("linger")) * time.Millisecond)
	os.Exit(number("code"))
}

// chain starts a hog at some depth and waits for its end.
func chain(name string) {
	read, write, err := os.Pipe()
	if err != nil {
		fail("%v", err)
	}
	role := "link"
	if number("depth") <= 1 && settings["reap"] == "parent" {
		role = "hog"
	}
	cmd := start(role, map[string]string{"name": name, "hogs": ""}, write)
	_ = write.Close()                 // the hog's end of it is the last
	_, _ = read.Read(make([]byte, 1)) // its end: of the last one who holds the other end
	_ = cmd.Wait()                    // how it ended is for oominit to find out
	_ = read.Close()
}

// link is one more process on the way to the hog, which has the descriptor 3.
func link() {
	write := os.NewFile(3, "pipe")
	depth := number("depth") - 1
	role := "link"
	if depth <= 1 {
		role = "hog"
	}
	hogName := settings["name"]
	_ = os.WriteFile("/proc/self/comm", []byte("link"), 0) // the name is the hog's
	cmd := start(role, map[string]string{"name": hogName, "depth": strconv.Itoa(depth)}, write)
	_ = write.Close()
	switch settings["reap"] {
	case "init":
		// Ends at once: the child becomes an orphan.
	case "nobody":
		if role == "hog" {
			awaitZombie(cmd.Process.Pid)
			time.Sleep(20 * time.Millisecond)
			return
		}
		_ = cmd.Wait()
	default:
		_ = cmd.Wait()
	}
}

// awaitZombie waits until a child has ended, and does not reap it.
func awaitZombie(pid int) {
	for unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
}

// truth writes down who we are, for the trial to know.
func truth() {
	file, err := os.OpenFile(settings["truth"], os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		fail("%v", err)
	}
	if _, err := fmt.Fprintf(file, "%s %d\n", settings["name"], os.Getpid()); err != nil {
		fail("%v", err)
	}
	_ = file.Close() // it was written
}

func waitForTruth(name string) {
	for {
		text, err := os.ReadFile(settings["truth"])
		if err != nil {
			fail("%v", err)
		}
		if bytes.Contains(text, []byte(name+" ")) {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// hog takes memory until it is killed.
func hog() {
	truth()
	if settings["leader"] == "ended" {
		runtime.GOMAXPROCS(2) // the thread that ends keeps one
		go fill()
		time.Sleep(2 * time.Millisecond)
		_, _, _ = unix.RawSyscall(unix.SYS_EXIT, 0, 0, 0) // this thread alone
	}
	fill()
}

func fill() {
	step := 1 << 20
	flags := unix.MAP_PRIVATE | unix.MAP_ANON
	if settings["pace"] == "fast" {
		step, flags = 4<<20, flags|unix.MAP_POPULATE
	}
	for {
		memory, err := unix.Mmap(-1, 0, step, unix.PROT_READ|unix.PROT_WRITE, flags)
		if err != nil {
			fail("%v", err)
		}
		for i := 0; i < step; i += 4096 {
			memory[i] = 1
		}
		if settings["pace"] == "slow" {
			time.Sleep(2 * time.Millisecond)
		}
	}
}

// idle holds a little memory until somebody kills it.
func idle() {
	memory := make([]byte, 2<<20)
	for i := 0; i < len(memory); i += 4096 {
		memory[i] = 1
	}
	truth()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, unix.SIGTERM)
	<-stop
	runtime.KeepAlive(memory)
}

// kill is what a master does to a worker that does not answer.
func kill(cmd *exec.Cmd) {
	_ = cmd.Process.Kill() // it may have been the kernel's victim
	_ = cmd.Wait()
}

// awaitCount returns in the moment in which the kernel has counted a kill.
func awaitCount() {
	file, err := os.Open(settings["counter"])
	if err != nil {
		fail("%v", err)
	}
	var text [512]byte
	for begun := time.Now(); time.Since(begun) < 10*time.Second; {
		n, _ := file.ReadAt(text[:], 0)
		if i := bytes.Index(text[:n], []byte("oom_kill ")); i >= 0 && text[i+9] != '0' {
			return
		}
	}
}
