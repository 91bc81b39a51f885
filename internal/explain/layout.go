package explain

import (
	"bufio"
	"fmt"
	"strings"
	"time"

	"github.com/oominit/oominit/internal/terminal"
)

// The colours that a story uses, by their short names.
const (
	plain  = terminal.Plain
	bold   = terminal.Bold
	dim    = terminal.Dim
	red    = terminal.Red
	strong = terminal.Strong
	green  = terminal.Green
	yellow = terminal.Yellow
)

// The columns of a timeline: when, a symbol, what, and the words.
const (
	whenWidth = 12
	whatWidth = 15
	textAt    = whenWidth + 2 + 1 + 2 + whatWidth
	barWidth  = 24
)

// printer writes lines. Its first error stays in w and comes out of Flush.
type printer struct {
	w     *bufio.Writer
	style terminal.Style
	width int
	start time.Time
	when  string // the last time that was written
	// detailed says that the event above has details, from which the next event is set off.
	detailed bool
}

func (p *printer) line(text string) { _, _ = p.w.WriteString(strings.TrimRight(text, " ") + "\n") } // Flush has the error

func (p *printer) paint(color, text string) string { return p.style.Paint(color, text) }

// at is when an event was, from the first one on.
func (p *printer) at(e *Event) string {
	d := seconds(p.start, e.Time)
	text := terminal.HumanSeconds(d)
	if d > 0 {
		text = "+" + text
	}
	return text
}

// event begins the lines of an event. A time that is that of the event before is not repeated.
func (p *printer) event(e *Event, symbol, color, what, text string) {
	when := p.at(e)
	if when == p.when {
		when = ""
	} else {
		p.when = when
		p.apart()
	}
	p.row(when, symbol, color, what, text)
}

// apart sets what follows off from an event with details.
func (p *printer) apart() {
	if p.detailed {
		p.line(fmt.Sprintf("%*s  %s", whenWidth, "", p.paint(dim, "│")))
	}
	p.detailed = false
}

func (p *printer) row(when, symbol, color, what, text string) {
	for i, line := range terminal.Wrap(terminal.Printable(text), p.width-textAt) {
		if i > 0 {
			when, symbol, what = "", "│", ""
			color = plain
		}
		mark, label := p.paint(color, symbol), p.paint(color, fmt.Sprintf("%-*s", whatWidth, what))
		if i > 0 {
			mark = p.paint(dim, symbol)
		} else if color == strong {
			line = p.paint(bold, line)
		}
		p.line(fmt.Sprintf("%*s  %s  %s%s", whenWidth, when, mark, label, line))
	}
}

// detail adds to the event above. An empty text says nothing.
func (p *printer) detail(label, text string) {
	if text == "" {
		return
	}
	for _, line := range terminal.Wrap(terminal.Printable(text), p.width-textAt) {
		p.rail(label, line)
		label = ""
	}
}

func (p *printer) rail(label, painted string) {
	p.detailed = true
	p.line(fmt.Sprintf("%*s  %s  %s%s", whenWidth, "", p.paint(dim, "│"), p.paint(dim, fmt.Sprintf("%-*s", whatWidth, label)), painted))
}

// bar draws an amount of memory beside its limit.
func (p *printer) bar(label string, n, limit uint64, note string) {
	if n == 0 {
		return
	}
	amount := fmt.Sprintf("%-9s", terminal.HumanBytes(n))
	if limit == 0 {
		p.rail(label, strings.TrimRight(amount+"  "+note, " "))
		return
	}
	share := float64(n) / float64(limit)
	color := green
	if share >= 0.95 {
		color = red
	} else if share >= 0.8 {
		color = yellow
	}
	width := max(8, min(barWidth, p.width-textAt-36))
	full, empty := blocks(share, width)
	text := amount + "  " + p.paint(color, full) + p.paint(dim, empty) + fmt.Sprintf(" %4.0f %%", min(share*100, 9999))
	if note != "" {
		text += "  " + p.paint(dim, note)
	}
	p.rail(label, text)
}

// blocks draws a share of width columns, to an eighth of one.
func blocks(share float64, width int) (full, empty string) {
	eighths := int(min(max(share, 0), 1)*float64(width)*8 + 0.5)
	full = strings.Repeat("█", eighths/8)
	rest := width - eighths/8
	if part := eighths % 8; part > 0 {
		full += string([]rune("▏▎▍▌▋▊▉")[part-1])
		rest--
	}
	return full, strings.Repeat("░", rest)
}
