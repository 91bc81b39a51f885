package explain

import (
	"bufio"
	"errors"
	"io"
)

// maxLine bounds what is kept of a line. Of a longer one the end is looked at, because an event is where a line ends: the
// text before it is what a program has not ended with a newline.
const maxLine = 1 << 20

// lineReader reads lines of any length in bounded memory.
type lineReader struct {
	r    *bufio.Reader
	line []byte // without its end
	cut  bool   // the beginning of the line is missing
	err  error  // why reading ended, if not with the input
	done bool
}

func newLineReader(r io.Reader) *lineReader { return &lineReader{r: bufio.NewReaderSize(r, 64<<10)} }

// next reads a line, and reports whether there was one.
func (l *lineReader) next() bool {
	l.line, l.cut = l.line[:0], false
	for !l.done {
		part, err := l.r.ReadSlice('\n')
		if len(l.line)+len(part) > maxLine {
			l.line = append(l.line[:0], l.line[max(0, len(l.line)-maxEventBytes):]...)
			l.cut = true
		}
		l.line = append(l.line, part...)
		switch {
		case err == nil:
			return true
		case errors.Is(err, bufio.ErrBufferFull):
		default:
			l.done = true
			if !errors.Is(err, io.EOF) {
				l.err = err
			}
			return len(l.line) > 0
		}
	}
	return false
}
