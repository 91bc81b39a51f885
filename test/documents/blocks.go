// Package documents holds what the pages show to what the program does: each block of code on a page is claimed by a test,
// and a block that nobody claims is a fault.
package documents

import "strings"

// block is a piece of a page that is shown as code: between fences, or indented by four blanks.
type block struct {
	line   int // its first on the page, counted from 1; of a fenced one the fence
	last   int // the line after it, or its second fence
	fenced bool
	info   string // what stands behind the fence
	text   string // without the indentation; ends with a newline
}

// first returns its first line.
func (b block) first() string {
	line, _, _ := strings.Cut(b.text, "\n")
	return line
}

// blocksOf returns the blocks of a page. An indented one follows an empty line; within a list it is the list's text.
func blocksOf(page string) (blocks []block) {
	const indent = "    "
	var open *block
	fenced, list, blank := false, false, true
	number := 0
	end := func() {
		if open != nil {
			open.last = number
			open.text = strings.TrimRight(open.text, "\n") + "\n"
			blocks = append(blocks, *open)
			open = nil
		}
		fenced = false
	}
	for line := range strings.Lines(page) {
		number++
		line = strings.TrimRight(line, "\n")
		fence := strings.HasPrefix(line, "```")
		switch {
		case fence && fenced:
			end()
		case fence:
			end()
			fenced, open = true, &block{line: number, fenced: true, info: strings.TrimPrefix(line, "```")}
		case fenced:
			open.text += line + "\n"
		case strings.HasPrefix(line, indent) && (open != nil || blank && !list):
			if open == nil {
				open = &block{line: number}
			}
			open.text += strings.TrimPrefix(line, indent) + "\n"
		case line == "" && open != nil:
			open.text += "\n"
		case line != "":
			end()
			// A list goes on until a line that is neither an item nor indented.
			list = strings.HasPrefix(line, "- ") || list && strings.HasPrefix(line, " ")
		}
		blank = line == ""
	}
	number++
	end()
	return blocks
}

// spans returns what stands between backticks on one line, outside of blocks.
func spans(page string) (found []string) {
	hidden := map[int]bool{}
	for _, b := range blocksOf(page) {
		for line := b.line; line < b.last; line++ {
			hidden[line] = true
		}
		hidden[b.last] = b.fenced
	}
	number := 0
	for line := range strings.Lines(page) {
		number++
		if hidden[number] {
			continue
		}
		parts := strings.Split(line, "`")
		for i := 1; i < len(parts)-1; i += 2 {
			found = append(found, parts[i])
		}
	}
	return found
}
