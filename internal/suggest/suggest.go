// Package suggest finds the word that a misspelt one probably stands for. It is pure.
package suggest

import "strings"

// Nearest returns the known word that a misspelt one probably stands for: the one with the smallest edit distance, if
// that is small for its length. Of equals, the first.
func Nearest(word string, known []string) (string, bool) {
	best, distance := "", 0
	for _, k := range known {
		d := editDistance(strings.ToUpper(word), strings.ToUpper(k))
		if best == "" || d < distance {
			best, distance = k, d
		}
	}
	return best, best != "" && distance <= max(1, min(len(best), len(word))/3)
}

// editDistance counts the insertions, deletions, substitutions and swaps of neighbours between two words (optimal string
// alignment). What is absurdly long is as far away as it is long.
func editDistance(a, b string) int {
	const longest = 64
	if len(a) > longest || len(b) > longest {
		return max(len(a), len(b))
	}
	var beforeLast, last, row [longest + 1]int
	for j := range len(b) + 1 {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], beforeLast[j-2]+1)
			}
		}
		beforeLast, last = last, row
	}
	return last[len(b)]
}
