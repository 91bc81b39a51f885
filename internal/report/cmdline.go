package report

import (
	"strings"
)

// CommandLineMode says how much of a command line goes into an event.
type CommandLineMode int

// The modes.
const (
	// Redacted replaces the values of arguments whose names tell of a secret.
	Redacted CommandLineMode = iota
	// Full writes it as it is.
	Full
	// Executable writes the first argument only.
	Executable
	// Off writes none.
	Off
)

// CommandLineModes lists the names that OOMINIT_COMMAND_LINE takes, in the order of the modes.
func CommandLineModes() []string { return []string{"redacted", "full", "executable", "off"} }

// maxCommandLine bounds what an event shows of a command line, in bytes, so that the whole line stays below PIPE_BUF
// even if every byte needs escaping as \u00XX in JSON.
const maxCommandLine = 384

const redaction = "[redacted]"

// apply turns a raw command line, arguments ended by NUL, into what the event shows.
func (m CommandLineMode) apply(raw string) string {
	raw = strings.TrimRight(raw, "\x00")
	if raw == "" || m == Off {
		return ""
	}
	arguments := strings.Split(raw, "\x00")
	switch m {
	case Executable:
		arguments = arguments[:1]
	case Redacted:
		arguments = redact(arguments)
	case Full, Off:
	}
	line := strings.Join(arguments, " ")
	if len(line) > maxCommandLine {
		line = strings.ToValidUTF8(line[:maxCommandLine], "") + "…"
	}
	return line
}

// redact replaces what looks like a secret: --password=X and TOKEN=X, --password X, "Authorization: X", and the password
// in scheme://user:password@host. It errs on the side of hiding.
func redact(arguments []string) []string {
	out := make([]string, len(arguments))
	hideNext := false
	for i, argument := range arguments {
		hide := hideNext
		hideNext = false
		switch {
		case i == 0:
			out[i] = argument
			continue
		case hide && !strings.HasPrefix(argument, "-"):
			out[i] = redaction
			continue
		}
		out[i] = hideUserinfo(argument)
		if end := strings.IndexAny(argument, "=:"); end > 0 && secretName(argument[:end]) {
			out[i] = argument[:end+1] + redaction
			continue
		}
		// A blank would make it a sentence, not a name: `sh -c 'echo token'`. Then only what follows = can be hidden.
		if strings.ContainsAny(argument, " \t\n") {
			out[i] = hideAssignments(out[i])
			continue
		}
		hideNext = strings.HasPrefix(argument, "-") && secretName(argument)
	}
	return out
}

// secretWords are parts of names whose values nobody wants in a log.
var secretWords = []string{
	"pass", "secret", "token", "credential", "auth", "apikey", "api-key", "api_key", "private", "access-key", "access_key",
	"accesskey", "bearer", "cookie", "signature", "pwd", "dsn",
}

func secretName(name string) bool {
	name = strings.ToLower(name)
	for _, word := range secretWords {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

// hideAssignments redacts NAME=VALUE words inside a longer text, such as a script given to sh -c.
func hideAssignments(text string) string {
	words := strings.SplitAfter(text, " ")
	hideNext := false
	for i, word := range words {
		bare := strings.TrimRight(word, " ")
		end := strings.IndexAny(bare, "=:")
		switch {
		case hideNext && !strings.HasPrefix(bare, "-"):
			words[i] = redaction + word[len(bare):]
			hideNext = false
		case end >= 0 && secretName(bare[:end]):
			words[i] = bare[:end+1] + redaction + word[len(bare):]
			hideNext = end == len(bare)-1 // "Authorization: Bearer X": what follows is the value
		default:
			hideNext = strings.HasPrefix(bare, "-") && secretName(bare)
		}
	}
	return strings.Join(words, "")
}

// hideUserinfo redacts the password of a URL.
func hideUserinfo(argument string) string {
	scheme := strings.Index(argument, "://")
	if scheme < 0 {
		return argument
	}
	rest := argument[scheme+3:]
	end := strings.IndexAny(rest, "/?# ")
	if end < 0 {
		end = len(rest)
	}
	at := strings.LastIndexByte(rest[:end], '@')
	if at < 0 {
		return argument
	}
	colon := strings.IndexByte(rest[:at], ':')
	if colon < 0 {
		return argument
	}
	return argument[:scheme+3+colon+1] + redaction + rest[at:]
}
