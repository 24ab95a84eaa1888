package main

import (
	"net/http"
	"time"
)

// stalled is how long a client may take nothing before it is dropped. There is
// no limit on a whole answer: weights over a slow line take as long as they take.
const stalled = 30 * time.Second

// pacedWriter drops clients that stop reading, and keeps to a number of bytes a
// second when rate is above 0.
type pacedWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	rate    int64
	start   time.Time
	sent    int64
}

func newPacedWriter(w http.ResponseWriter, rate int64) *pacedWriter {
	return &pacedWriter{ResponseWriter: w, control: http.NewResponseController(w), rate: rate, start: time.Now()}
}

func (w *pacedWriter) Write(b []byte) (int, error) {
	written := 0
	for len(b) > 0 {
		part := b
		if w.rate > 0 {
			// Twenty steps a second look smooth in a progress bar.
			part = b[:min(int64(len(b)), max(1, w.rate/20))]
		}
		// A writer without deadlines (a test's recorder) cannot stall either.
		w.control.SetWriteDeadline(time.Now().Add(stalled))
		n, err := w.ResponseWriter.Write(part)
		written += n
		w.sent += int64(n)
		if err != nil {
			return written, err
		}
		b = b[n:]
		if w.rate > 0 {
			if err := w.control.Flush(); err != nil {
				return written, err
			}
			due := time.Duration(float64(w.sent) / float64(w.rate) * float64(time.Second))
			time.Sleep(due - time.Since(w.start))
		}
	}
	return written, nil
}
