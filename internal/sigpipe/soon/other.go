//go:build !amd64 && !arm64

// Package soon does nothing where the program's entry point is the runtime's.
package soon
