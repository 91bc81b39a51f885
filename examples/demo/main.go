// Command demo is a service as there are many: its main process starts a worker, the worker takes more memory than there
// is, and the main process shrugs and ends with 0. With -read it makes oominit's events readable instead.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
)

func main() {
	var err error
	switch argument := append(os.Args, "")[1]; argument {
	case "":
		err = serve()
	case "-work":
		work()
	case "-read":
		err = read()
	default:
		err = fmt.Errorf("unknown argument %q", argument)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "demo: %v\n", err)
		os.Exit(1)
	}
}

// serve is the main process.
func serve() error {
	worker := exec.Command("/proc/self/exe", "-work")
	worker.Args[0] = "demo"
	if err := worker.Start(); err != nil {
		return fmt.Errorf("cannot start the worker: %w", err)
	}
	fmt.Printf("main: worker %d started\n", worker.Process.Pid)
	// That it failed is what this program does not care about.
	_ = worker.Wait()
	fmt.Println("main: the worker is gone; never mind, all done")
	return nil
}

// held keeps what the worker took from the collector.
var held [][]byte

// work takes memory until there is none.
func work() {
	// The name is for people; the demonstration does without.
	_ = os.WriteFile("/proc/self/comm", []byte("hungry-worker"), 0)
	for {
		block := make([]byte, 1<<20)
		for i := 0; i < len(block); i += os.Getpagesize() {
			block[i] = 1
		}
		held = append(held, block)
	}
}

// read copies lines from stdin, and writes those that are oom_kill events for people.
func read() error {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var event struct {
			Event   string `json:"event"`
			Process struct {
				PID        int `json:"pid"`
				ParentPID  int `json:"parent_pid"`
				Executable struct {
					Name string `json:"name"`
				} `json:"executable"`
				CommandLine string `json:"command_line"`
			} `json:"process"`
			Role      string   `json:"role"`
			Origin    string   `json:"origin"`
			Certainty string   `json:"certainty"`
			Evidence  []string `json:"evidence"`
			Message   string   `json:"message"`
		}
		switch err := json.Unmarshal(lines.Bytes(), &event); {
		case err != nil || event.Event == "":
			fmt.Printf("  | %s\n", lines.Text())
		case event.Event == "oom_kill":
			fmt.Printf("  oom_kill   %s\n", event.Message)
			fmt.Printf("    victim     %s, pid %d, child of %d: %s\n", event.Process.Executable.Name, event.Process.PID, event.Process.ParentPID, event.Process.CommandLine)
			fmt.Printf("    role       %s (origin: %s)\n", event.Role, event.Origin)
			fmt.Printf("    certainty  %s, because of %q\n", event.Certainty, event.Evidence)
		default:
			fmt.Printf("  %-10s %s\n", event.Event, event.Message)
		}
	}
	return lines.Err()
}
