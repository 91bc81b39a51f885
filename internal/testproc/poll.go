package testproc

import (
	"context"
	"time"
)

// Poll asks every few milliseconds until the answer is yes. It is for what the kernel and the engine tell nobody of: counters of
// cgroup v1, the end of the last process in a cgroup. The error says that the context ended before.
func Poll(ctx context.Context, done func() bool) error {
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for !done() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
