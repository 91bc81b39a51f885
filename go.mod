module github.com/oominit/oominit

go 1.26.0

require (
	github.com/containerd/cgroups/v3 v3.1.3
	github.com/rs/zerolog v1.35.1
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.3
	golang.org/x/sys v0.49.0
)

require (
	github.com/mattn/go-colorable v0.1.14 // indirect
	github.com/mattn/go-isatty v0.0.20 // indirect
	github.com/moby/sys/userns v0.1.0 // indirect
	golang.org/x/text v0.14.0 // indirect
)
