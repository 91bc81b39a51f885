package aside

import (
	"testing"
	"time"
)

// Jobs are done in order; one that blocks delays those behind it and nobody else.
func TestThread(t *testing.T) {
	thread := New(2)
	started, release := make(chan struct{}), make(chan struct{})
	var done []int
	if !thread.Do(func() { close(started); <-release; done = append(done, 1) }) {
		t.Fatal("the first job was refused")
	}
	<-started
	for i := range 2 {
		if !thread.Do(func() { done = append(done, i+2) }) {
			t.Fatal("there was a place for it")
		}
	}
	if thread.Do(func() { done = append(done, 9) }) {
		t.Error("a job more than there are places for was taken")
	}
	begun := time.Now()
	thread.Flush(10 * time.Millisecond)
	if took := time.Since(begun); took < 10*time.Millisecond || len(done) != 0 {
		t.Errorf("flushed after %s, done %v", took, done)
	}
	close(release)
	thread.Flush(time.Minute)
	if len(done) != 3 || done[0] != 1 || done[2] != 3 {
		t.Errorf("done %v", done)
	}
	thread.Flush(time.Minute) // nothing to wait for
}
