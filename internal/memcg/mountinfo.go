package memcg

import (
	"bytes"
	"strings"
)

// mount is what this package needs of one line of /proc/self/mountinfo.
type mount struct {
	root         string // path inside the file system that is mounted, unescaped
	point        string // where it is mounted, unescaped
	fsType       string
	superOptions string
}

// parseMountinfo returns the cgroup and cgroup2 mounts of a mountinfo text, in its order. Lines that do not follow
// proc_pid_mountinfo(5) are passed over: one hostile mount must not hide the others. Lines may be of any length, since
// overlay's lowerdir option alone can exceed 64 KiB.
func parseMountinfo(text []byte) []mount {
	var mounts []mount
	for len(text) > 0 {
		line := text
		if end := bytes.IndexByte(text, '\n'); end >= 0 {
			line, text = text[:end], text[end+1:]
		} else {
			text = nil
		}
		// Nearly all lines are of other file systems; a substring is the cheapest way past them. The separator cannot
		// be forged: a blank within a field is written \040.
		separator := bytes.Index(line, []byte(" - cgroup"))
		if separator < 0 {
			continue
		}
		// Split at blanks only: other white space stands in the fields as it is.
		before := strings.Split(string(line[:separator]), " ")
		after := strings.Split(string(line[separator+len(" - "):]), " ")
		if len(before) < 6 || len(after) < 3 || (after[0] != "cgroup" && after[0] != "cgroup2") {
			continue
		}
		mounts = append(mounts, mount{
			root:         unescape(before[3]),
			point:        unescape(before[4]),
			fsType:       after[0],
			superOptions: after[len(after)-1],
		})
	}
	return mounts
}

// hasOption reports whether the comma-separated super options contain option, whole.
func (m mount) hasOption(option string) bool {
	for o := range strings.SplitSeq(m.superOptions, ",") {
		if o == option {
			return true
		}
	}
	return false
}

// within returns the path below the mount's root at which the cgroup path lies, and whether it lies there at all. Both
// are as seen from the reader's cgroup namespace, where a leading /.. means outside (cgroup_namespaces(7)).
func (m mount) within(path string) (below string, ok bool) {
	below = path
	if m.root != "/" {
		var found bool
		if below, found = strings.CutPrefix(path, m.root); !found {
			return "", false
		}
	}
	if below != "" && below[0] != '/' {
		return "", false
	}
	for part := range strings.SplitSeq(below, "/") {
		if part == ".." {
			return "", false
		}
	}
	return strings.TrimSuffix(below, "/"), true
}

// unescape undoes the octal escapes that the kernel writes for blank, tab, newline and backslash (mangle_path in
// fs/seq_file.c, Linux 6.18). A backslash that starts no such escape stands for itself.
func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && s[i+1] <= '3' && isOctal(s[i+1]) && isOctal(s[i+2]) && isOctal(s[i+3]) {
			out = append(out, (s[i+1]-'0')<<6|(s[i+2]-'0')<<3|(s[i+3]-'0'))
			i += 3
			continue
		}
		out = append(out, s[i])
	}
	return string(out)
}

func isOctal(c byte) bool { return c >= '0' && c <= '7' }
