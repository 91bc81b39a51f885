//go:build amd64 || arm64

// Package soon catches signals again as soon as Go code runs. Go's runtime takes over what the program's entry point has caught,
// and a SIGTERM that comes before main has caught it once more ends the program. This package imports nothing, so that the
// runtime initializes it before nearly all others (Package initialization in the Go specification).
package soon

func catch()

func init() { catch() }
