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
		switch {
		case hideNext && !strings.HasPrefix(argument, "--"):
			out[i], hideNext = redaction, false
		case strings.ContainsAny(argument, separators):
			// Several words in one: a script for sh -c, or a title that the process gave itself.
			out[i], hideNext = hideWords(argument), false
		default:
			out[i], hideNext = hideWord(argument)
			hideNext = hideNext && strings.HasPrefix(argument, "-")
		}
	}
	return out
}

// separators end a word within an argument.
const separators = " \t\n\r;&|,'\""

// hideWords redacts each word of a longer text.
func hideWords(text string) string {
	var b strings.Builder
	hideNext := false
	for text != "" {
		end := strings.IndexAny(text, separators)
		switch end {
		case 0:
			b.WriteByte(text[0])
			text = text[1:]
			continue
		case -1:
			end = len(text)
		}
		word := text[:end]
		text = text[end:]
		switch {
		case hideNext && strings.HasPrefix(word, "--"):
			word, hideNext = hideWord(word)
		case hideNext:
			// After a scheme, as in "Authorization: Bearer X", comes the secret itself.
			hideNext = authScheme(word)
			if !hideNext {
				word = redaction
			}
		default:
			word, hideNext = hideWord(word)
		}
		b.WriteString(word)
	}
	return b.String()
}

// hideWord redacts one word, and says whether what follows it is a secret.
func hideWord(word string) (shown string, hideNext bool) {
	word = hideUserinfo(word)
	end := strings.IndexAny(word, "=:")
	switch {
	case end < 0:
		return word, strings.HasPrefix(word, "-") && secretName(word)
	case !secretName(word[:end]):
		return word, false
	case end == len(word)-1:
		return word, true
	case authScheme(word[end+1:]):
		return word, true
	default:
		return word[:end+1] + redaction, false
	}
}

// authScheme reports whether the word names a way to authenticate (RFC 9110, section 11).
func authScheme(word string) bool {
	switch strings.ToLower(word) {
	case "bearer", "basic", "token", "digest", "negotiate":
		return true
	}
	return false
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
