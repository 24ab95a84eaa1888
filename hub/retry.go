//go:build !js

package hub

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	maxTries = 6               // in a row without anything new
	maxWait  = 6 * time.Minute // the hub counts requests in windows of 5 minutes
)

// temporary is an error that another try may not meet.
type temporary struct {
	err   error
	after time.Duration // what the server asked to wait; 0 is nothing
}

func (t *temporary) Error() string { return t.err.Error() }
func (t *temporary) Unwrap() error { return t.err }

// patiently calls try until it succeeds, fails for good or has failed maxTries times in a row. A
// try that brought something new, though it failed, starts the count again.
func (v *visit) patiently(ctx context.Context, try func() (fresh bool, err error)) error {
	for n := 1; ; n++ {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		fresh, err := try()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var t *temporary
		if !errors.As(err, &t) {
			return err
		}
		if fresh {
			n = 1
		}
		if t.after > maxWait {
			return fmt.Errorf("%w; the server asks to wait %v: try again then", err, t.after.Round(time.Second))
		}
		if n == maxTries {
			return fmt.Errorf("%w; tried %d times: try again later", err, n)
		}
		// Doubling, and spread by half so that clients cut off together do not come back together.
		wait := time.Second << (n - 1)
		wait += rand.N(wait / 2)
		if err := v.wait(ctx, max(wait, t.after)); err != nil {
			return err
		}
	}
}

func (v *visit) wait(ctx context.Context, d time.Duration) error {
	if v.pause != nil {
		return v.pause(ctx, d)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// rateLimit finds the seconds until the window ends, as in `"api";r=0;t=55`.
var rateLimit = regexp.MustCompile(`;\s*r=0\s*;\s*t=(\d+)`)

// retryAfter is what a server asks to wait, in seconds or as a date, or in the hub's own header.
// Source: RFC 9110, 10.2.3; https://huggingface.co/docs/hub/rate-limits.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if date, err := http.ParseTime(text); err == nil {
		return max(0, date.Sub(now))
	}
	if m := rateLimit.FindStringSubmatch(h.Get("RateLimit")); text == "" && m != nil {
		text = m[1]
	}
	seconds, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
