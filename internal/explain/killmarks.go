package explain

import "github.com/oominit/oominit/internal/terminal"

// label is the mark of a kill.
type label struct {
	x     float64
	row   int // of the name, from below; labelRows is one without a name
	end   float64
	left  bool // the name is on the left of the line
	name  string
	title string
}

// place gives each kill a place, the last one first, so that no line of a later kill goes through the name of an earlier
// one. What would be at the same place as another is left out.
func (d *drawing) place(kills []killMark) (labels []label) {
	for i := len(kills) - 1; i >= 0; i-- {
		l := label{x: d.x(kills[i].at), name: "nobody was seen", title: kills[i].event.Message}
		if len(labels) > 0 && labels[len(labels)-1].x-l.x < 1 {
			continue
		}
		if p := kills[i].event.Process; p != nil {
			l.name = terminal.Shorten(terminal.Printable(p.name()), longestLabel)
		}
		width := float64(terminal.Columns(l.name))*characters + 8
		l.end = l.x + width
		if l.end > plotRight {
			l.left, l.end = true, l.x
		}
		for j := len(labels) - 1; j >= 0 && labels[j].x < l.end+width; j-- {
			begin := labels[j].x
			if labels[j].left {
				begin -= float64(terminal.Columns(labels[j].name))*characters + 8
			}
			if begin < l.end+8 && labels[j].row < labelRows {
				l.row = max(l.row, labels[j].row+1)
			}
		}
		l.row = min(l.row, labelRows)
		labels = append(labels, l)
	}
	return labels
}

// kills marks each kill, with the victim's name where there is room for it.
func (d *drawing) kills(c curve) {
	labels := d.place(c.kills)
	for _, l := range labels {
		y := float64(plotTop - 6)
		if l.row < labelRows {
			y -= float64(8 + l.row*labelHeight)
		}
		d.put("<g><title>%s</title>\n", escaped(l.title))
		d.line("kill", l.x, y, l.x, plotBottom)
		d.put(`<circle class="mark" cx="%s" cy="%s" r="4"/>`+"\n</g>\n", number(l.x), number(y))
	}
	for _, l := range labels {
		switch y := float64(plotTop - 10 - l.row*labelHeight); {
		case l.row == labelRows:
		case l.left:
			d.text(l.x-8, y, "victim", "end", l.name)
		default:
			d.text(l.x+8, y, "victim", "start", l.name)
		}
	}
}
