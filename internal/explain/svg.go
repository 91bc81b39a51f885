package explain

import (
	"bufio"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/oominit/oominit/internal/terminal"
)

// The picture, in its own units: one panel for each story, one below the other.
const (
	pictureWidth = 960
	panelHeight  = 396
	plotLeft     = 84
	plotRight    = pictureWidth - 28
	plotTop      = 128 // below the title and the names of the victims
	plotBottom   = panelHeight - 82
	labelRows    = 3
	labelHeight  = 17
	characters   = 7.3 // how wide a character of a label is, about
	longestLabel = 30
)

// maxPanels bounds how many stories are drawn: the last ones.
const maxPanels = 12

// svgStyle has the colours for a light and for a dark surrounding. There are no scripts and nothing from elsewhere.
const svgStyle = `
text { font-family: system-ui, -apple-system, "Segoe UI", "DejaVu Sans", Helvetica, Arial, sans-serif; font-size: 12px; fill: #57606a; }
.title { font-size: 17px; font-weight: 600; fill: #1f2328; }
.victim { font-weight: 600; fill: #b42318; stroke: #ffffff; stroke-width: 4px; paint-order: stroke; }
.paper { fill: #ffffff; }
.grid { stroke: #d8dee4; stroke-width: 1; }
.area { fill: #2f6feb; fill-opacity: 0.16; }
.weak { fill-opacity: 0.07; }
.usage { fill: none; stroke: #2f6feb; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.guess { stroke-dasharray: 2 5; }
.point { fill: #2f6feb; }
.limit { fill: none; stroke: #9a6700; stroke-width: 1.5; stroke-dasharray: 7 4; }
.kill { stroke: #d1242f; stroke-width: 1.5; }
.mark { fill: #d1242f; }
@media (prefers-color-scheme: dark) {
text { fill: #9198a1; }
.title { fill: #f0f6fc; }
.victim { fill: #ff8b82; stroke: #0d1117; }
.paper { fill: #0d1117; }
.grid { stroke: #2d333b; }
.area { fill: #58a6ff; }
.usage { stroke: #58a6ff; }
.point { fill: #58a6ff; }
.limit { stroke: #d29922; }
.kill { stroke: #ff6a61; }
.mark { fill: #ff6a61; }
}
`

// WriteSVG draws the memory of each story over time, with the kills marked, as one SVG file that needs nothing else.
func (l *Log) WriteSVG(w io.Writer) error {
	stories := l.Stories
	skipped := max(0, len(stories)-maxPanels)
	stories = stories[skipped:]
	height := max(1, len(stories)) * panelHeight
	if skipped > 0 {
		height += 24
	}
	d := &drawing{w: bufio.NewWriter(w)}
	d.put(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img">`+"\n",
		pictureWidth, height, pictureWidth, height)
	d.put("<title>Memory over time, from the events of oominit</title>\n<style>%s</style>\n", svgStyle)
	d.put(`<rect class="paper" width="%d" height="%d"/>`+"\n", pictureWidth, height)
	for i, story := range stories {
		d.put(`<g transform="translate(0 %d)">`+"\n", i*panelHeight)
		d.panel(story, l.title(skipped+i))
		d.put("</g>\n")
	}
	if skipped > 0 {
		d.text(plotLeft, float64(height-10), "", "start", count(skipped, "earlier run is", "earlier runs are")+" not drawn")
	}
	d.put("</svg>\n")
	return d.w.Flush()
}

// drawing writes elements. Its first error stays in w and comes out of Flush.
type drawing struct {
	w *bufio.Writer
	// x and y turn seconds and bytes into places of the panel at hand.
	x, y func(float64) float64
}

func (d *drawing) put(format string, arguments ...any) { _, _ = fmt.Fprintf(d.w, format, arguments...) } // Flush has the error

// escaped makes a text of an event's into character data.
func escaped(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(terminal.Printable(text))) // a Builder never fails
	return b.String()
}

func (d *drawing) text(x, y float64, class, anchor, text string) {
	if class != "" {
		class = ` class="` + class + `"`
	}
	d.put(`<text x="%s" y="%s"%s text-anchor="%s">%s</text>`+"\n", number(x), number(y), class, anchor, escaped(text))
}

func (d *drawing) line(class string, x1, y1, x2, y2 float64) {
	d.put(`<line class="%s" x1="%s" y1="%s" x2="%s" y2="%s"/>`+"\n", class, number(x1), number(y1), number(x2), number(y2))
}

// number writes a coordinate, to a tenth.
func number(x float64) string { return strconv.FormatFloat(math.Round(x*10)/10, 'f', -1, 64) }

func (d *drawing) panel(s *Story, title string) {
	d.text(24, 32, "title", "start", terminal.Shorten(title+": "+s.headline(), 100))
	d.text(24, 52, "", "start", "Memory of the container from "+s.First.UTC().Format(timeFormat)+" on")
	c := s.curve()
	if c.most == 0 {
		d.text(pictureWidth/2, panelHeight/2, "", "middle", "The events of this run tell of no memory.")
		return
	}
	if c.to-c.from < 0.001 {
		c.from, c.to = c.from-0.5, c.to+0.5
	}
	c.to += (c.to - c.from) * 0.03 // so that what is at the end can be seen
	span := c.to - c.from
	top := c.most * 1.06
	d.x = func(at float64) float64 { return plotLeft + (at-c.from)/span*(plotRight-plotLeft) }
	d.y = func(bytes float64) float64 { return plotBottom - bytes/top*(plotBottom-plotTop) }
	d.axes(c, top)
	points := thin(c.points, c.from, c.to, (plotRight-plotLeft)/2)
	d.usage(points)
	d.limits(c)
	d.kills(c)
	d.legend(c)
}

// axes draws the two scales and their lines.
func (d *drawing) axes(c curve, top float64) {
	step := byteStep(c.most)
	for bytes := 0.0; bytes <= top; bytes += step {
		d.line("grid", plotLeft, d.y(bytes), plotRight, d.y(bytes))
		d.text(plotLeft-8, d.y(bytes)+4, "", "end", tickBytes(bytes))
	}
	d.put(`<text transform="translate(18 %d) rotate(-90)" text-anchor="middle">memory usage</text>`+"\n", (plotTop+plotBottom)/2)
	step = timeStep(c.to - c.from)
	for i := math.Ceil(c.from/step - 1e-9); i*step <= c.to+step*1e-9; i++ {
		x := d.x(i * step)
		d.line("grid", x, plotBottom, x, plotBottom+5)
		d.text(x, plotBottom+19, "", "middle", tickSeconds(i*step, step))
	}
	d.text((plotLeft+plotRight)/2, plotBottom+38, "", "middle", "time since the first event")
}

// tickBytes writes a place on the scale of memory.
func tickBytes(bytes float64) string {
	value, unit := terminal.Scale(bytes)
	return strconv.FormatFloat(value, 'f', -1, 64) + " " + unit
}

// tickSeconds writes a place on the scale of time, as exactly as the scale is divided.
func tickSeconds(at, step float64) string {
	sign := ""
	if at < 0 {
		sign, at = "−", -at
	}
	whole := int64(math.Round(at))
	switch {
	case at == 0:
		return "0"
	case step < 1:
		return sign + strconv.FormatFloat(math.Round(at*1000)/1000, 'f', -1, 64) + " s"
	case whole < 120 && step < 60:
		return fmt.Sprintf("%s%d s", sign, whole)
	case step < 60:
		return fmt.Sprintf("%s%d min %02d s", sign, whole/60, whole%60)
	case whole < 3600:
		return fmt.Sprintf("%s%d min", sign, whole/60)
	case whole < 86400 && step < 3600:
		return fmt.Sprintf("%s%d h %02d min", sign, whole/3600, whole/60%60)
	case whole < 86400:
		return fmt.Sprintf("%s%d h", sign, whole/3600)
	case step < 86400:
		return fmt.Sprintf("%s%d d %02d h", sign, whole/86400, whole/3600%24)
	}
	return fmt.Sprintf("%s%d d", sign, whole/86400)
}

// usage draws the line and fills what is below it: weakly and with dots where nobody measured in between.
func (d *drawing) usage(points []point) {
	for begin := 0; begin+1 < len(points); {
		known := knownBetween(points[begin], points[begin+1])
		end := begin + 1
		for end+1 < len(points) && knownBetween(points[end], points[end+1]) == known {
			end++
		}
		var path strings.Builder
		for i, p := range points[begin : end+1] {
			command := "L"
			if i == 0 {
				command = "M"
			}
			path.WriteString(command + number(d.x(p.at)) + " " + number(d.y(p.bytes)))
		}
		area, line := "area", "usage"
		if !known {
			area, line = "area weak", "usage guess"
		}
		d.put(`<path class="%s" d="%sV%dH%sZ"/>`+"\n", area, path.String(), plotBottom, number(d.x(points[begin].at)))
		d.put(`<path class="%s" d="%s"/>`+"\n", line, path.String())
		begin = end
	}
	if len(points) > 300 {
		return
	}
	for _, p := range points {
		d.put(`<circle class="point" cx="%s" cy="%s" r="%s"/>`+"\n", number(d.x(p.at)), number(d.y(p.bytes)), pointSize(p))
	}
}

func pointSize(p point) string {
	if p.row > 0 {
		return "2"
	}
	return "3"
}

// limits draws the limit as it was at each time.
func (d *drawing) limits(c curve) {
	if len(c.limits) == 0 {
		return
	}
	var path strings.Builder
	fmt.Fprintf(&path, "M%d %s", plotLeft, number(d.y(c.limits[0].bytes)))
	for i, l := range c.limits[:min(len(c.limits), 1000)] {
		if i > 0 {
			fmt.Fprintf(&path, "H%sV%s", number(d.x(l.at)), number(d.y(l.bytes)))
		}
	}
	d.put(`<path class="limit" d="%sH%d"/>`+"\n", path.String(), plotRight)
}

// legend says what the lines are.
func (d *drawing) legend(c curve) {
	const y = panelHeight - 20
	x := float64(plotLeft)
	entry := func(class, text string) {
		d.line(class, x, y-4, x+22, y-4)
		d.text(x+28, y, "", "start", text)
		x += 28 + float64(terminal.Columns(text))*6.6 + 22
	}
	sampled, guessed := false, false
	for i := 1; i < len(c.points); i++ {
		a, b := c.points[i-1], c.points[i]
		sampled, guessed = sampled || knownBetween(a, b) && a.at != b.at, guessed || !knownBetween(a, b)
	}
	if sampled {
		entry("usage", "usage")
	}
	if guessed {
		entry("usage guess", "usage, not measured in between")
	}
	if n := len(c.limits); n > 0 {
		entry("limit", "limit, "+terminal.HumanBytes(uint64(c.limits[n-1].bytes)))
	}
	if len(c.kills) > 0 {
		entry("kill", "OOM kill")
	}
}
