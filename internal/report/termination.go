package report

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// terminationBytes is what the kubelet reads of a termination message (MaxContainerTerminationMessageLength in
// k8s.io/kubernetes/pkg/kubelet/container).
const terminationBytes = 4096

// killsTold bounds the kills that the termination message names.
const killsTold = 5

// killInWords is one kill in the termination message.
func killInWords(v OOMKill) string {
	if v.Victim == nil {
		return "a process that nobody saw was OOM-killed"
	}
	text := fmt.Sprintf("%s (pid %d", printable(v.Victim.Comm), v.Victim.PID)
	if v.Victim.ResidentBytes > 0 {
		text += ", " + humanBytes(v.Victim.ResidentBytes)
		if v.Memory.LimitBytes > 0 {
			text += " of " + humanBytes(v.Memory.LimitBytes) + " limit"
		}
	}
	if v.Certainty != "certain" {
		return text + ") was probably OOM-killed"
	}
	return text + ") was OOM-killed"
}

// terminationMessage is what is left behind of a container with OOM kills.
func terminationMessage(kills []string, v Exit) string {
	var b strings.Builder
	for _, kill := range kills {
		b.WriteString(kill + "; ")
	}
	if more := v.Kills - uint64(len(kills)); more > 0 {
		fmt.Fprintf(&b, "%d more OOM kills; ", more)
	}
	if v.Main != nil {
		b.WriteString("main " + v.Main.words() + "; ")
	}
	fmt.Fprintf(&b, "exit code %d", v.Code)
	if v.DecidedBy != nil {
		b.WriteString(" by policy " + v.DecidedBy.Action)
	}
	return b.String()
}

// leaveTerminationMessage appends the message to the file. What the application has written there stays whole: the kubelet
// reads the last 4096 bytes, so a message that would push a part of it out is cut, or left out.
func leaveTerminationMessage(name, message string, create bool) {
	flags := unix.O_WRONLY | unix.O_APPEND | unix.O_CLOEXEC | unix.O_NOCTTY | unix.O_NONBLOCK
	if create {
		flags |= unix.O_CREAT
	}
	fd, err := unix.Open(name, flags, 0o644)
	if err != nil {
		return // there is none here
	}
	defer func() { _ = unix.Close(fd) }() // it was written, or not
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return
	}
	if st.Size > 0 {
		message = "\n" + message
	}
	const least = 64 // less than that says nothing
	room := terminationBytes - st.Size
	if room < int64(len(message)) && room < least {
		return
	}
	if int64(len(message)) > room {
		message = strings.ToValidUTF8(message[:room], "")
	}
	_ = writeWhole(fd, []byte(message)) // a full disk: there is nobody left to tell
}
