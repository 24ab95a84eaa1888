package loader

import "sync"

// Phases of a load that this package reports.
const (
	PhaseManifest = "manifest"
	PhaseFetch    = "fetch"
)

// Progress of a load, in bytes of the model's files. Total is known before the first byte arrives;
// Loaded never goes back.
type Progress struct {
	Phase     string
	Loaded    int64
	Total     int64
	FromCache int64 // the part of Loaded that the store supplied
}

// meter turns the comings and goings of parallel fetches, failed ones included, into progress that
// only moves forward.
type meter struct {
	mu       sync.Mutex
	report   func(Progress)
	sent     Progress
	done     int64         // bytes of finished chunks
	cached   int64         // of those, from the store
	inFlight map[int]int64 // bytes of unfinished chunks
}

func newMeter(report func(Progress), total int64) *meter {
	m := &meter{report: report, inFlight: map[int]int64{}}
	m.sent = Progress{Phase: PhaseFetch, Total: total}
	if report != nil {
		report(m.sent)
	}
	return m
}

func (m *meter) partial(chunk int, n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.inFlight[chunk] = n
	m.send()
}

func (m *meter) finish(chunk int, n int64, fromCache bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.inFlight, chunk)
	m.done += n
	if fromCache {
		m.cached += n
	}
	m.send()
}

func (m *meter) send() {
	loaded := m.done
	for _, n := range m.inFlight {
		loaded += n
	}
	if m.report == nil || loaded < m.sent.Loaded || (loaded == m.sent.Loaded && m.cached == m.sent.FromCache) {
		return
	}
	m.sent.Loaded, m.sent.FromCache = loaded, m.cached
	m.report(m.sent)
}
