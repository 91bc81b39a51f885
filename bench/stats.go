package main

import (
	"fmt"
	"slices"
)

// median returns the middle of the values, or the mean of the two in the middle; 0 for none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// withRatio writes a value with its ratio to the reference.
func withRatio(value, reference float64, format string) string {
	text := fmt.Sprintf(format, value)
	if reference <= 0 {
		return text
	}
	return fmt.Sprintf("%s (%.2f×)", text, value/reference)
}
