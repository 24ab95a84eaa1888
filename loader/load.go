package loader

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"flamingo/tensor"
)

// LoadOptions says where the bytes of a manifest come from. Manifest and Source are required
// (Source not when Offline).
type LoadOptions struct {
	Manifest *Manifest
	Source   Source        // rooted at the manifest's directory
	Store    Store         // nil keeps nothing
	Offline  bool          // never use the Source
	Parallel int           // chunks alive at once, 1 to 4; 0 is 3
	Backoff  time.Duration // before the first retry, doubled each time; 0 is 500 ms
	Progress func(Progress)
}

// A Piece is a run of one tensor's bytes. Pieces of a tensor arrive in order and without gaps. Data
// is valid only until the sink returns.
type Piece struct {
	Index  int // of the tensor in Manifest.Tensors
	Tensor *TensorEntry
	Offset int64 // of Data within the tensor, a multiple of 4
	Data   tensor.Bytes
}

// Result says how a load went.
type Result struct {
	FromCache   int64 // bytes read from the store
	FromNetwork int64 // bytes read from the source, failed tries not counted
	Cached      bool  // the whole model is in the store now
	Notices     []string
}

// Load delivers every tensor of the manifest to sink, piece by piece in file order, from one
// goroutine. Chunks found in the store are used after a check; the others are fetched, checked
// and stored, while the sink is busy with earlier ones. A store that fails or is full costs a
// notice, not the load. Errors wrap ErrNetwork, ErrCORS, ErrIntegrity, ErrOffline or ErrManifest;
// the sink's own error is returned as it is. Nothing runs any more when Load has returned.
func Load(ctx context.Context, o LoadOptions, sink func(Piece) error) (Result, error) {
	l, err := newLoad(o)
	if err != nil {
		return Result{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := l.survey(ctx); err != nil {
		return Result{}, err
	}
	unlock, err := l.lock(ctx)
	if err != nil {
		return Result{}, err
	}
	defer unlock()
	if err := l.run(ctx, sink); err != nil {
		return l.result, err
	}
	l.complete(ctx)
	return l.result, ctx.Err()
}

// load is one call of Load.
type load struct {
	LoadOptions
	chunks []chunk
	meter  *meter

	mu      sync.Mutex
	caching bool // new chunks are put into the store
	present map[string]bool
	result  Result
}

// chunk is one unit of fetching, checking and storing.
type chunk struct {
	file   int
	label  string // for messages
	offset int64
	bytes  int64
	sums   Chunk
	key    string
}

func newLoad(o LoadOptions) (*load, error) {
	m := o.Manifest
	if m == nil || (o.Source == nil && !o.Offline) {
		return nil, errors.New("loader: Load needs a Manifest, and a Source unless Offline")
	}
	if o.Parallel < 0 || o.Parallel > 4 {
		return nil, fmt.Errorf("loader: Parallel: got %d, want 1 to 4, or 0 for the default", o.Parallel)
	}
	if o.Parallel == 0 {
		o.Parallel = 3
	}
	if err := m.Validate(); err != nil {
		return nil, err
	}
	l := &load{LoadOptions: o, caching: o.Store != nil, present: map[string]bool{}}
	for i := range m.Files {
		f := &m.Files[i]
		for j, c := range f.Chunks {
			offset := int64(j) * m.ChunkBytes
			bytes := min(m.ChunkBytes, f.Bytes-offset)
			l.chunks = append(l.chunks, chunk{
				file: i, label: fmt.Sprintf("%s chunk %d of %d", f.Path, j+1, len(f.Chunks)),
				offset: offset, bytes: bytes, sums: c, key: chunkKey(c.SHA256, bytes),
			})
		}
	}
	l.meter = newMeter(o.Progress, m.Bytes())
	return l, nil
}

// survey asks the store which chunks it has.
func (l *load) survey(ctx context.Context) error {
	if l.Store != nil {
		keys, err := l.Store.Keys(ctx, chunkPrefix)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			l.giveUpCaching(err)
		}
		clear(l.present)
		for _, k := range keys {
			l.present[k] = true
		}
	}
	if missing := l.missing(); l.Offline && missing > 0 {
		return l.offline(missing)
	}
	return nil
}

func (l *load) missing() (n int64) {
	for i := range l.chunks {
		if !l.present[l.chunks[i].key] {
			n += l.chunks[i].bytes
		}
	}
	return n
}

func (l *load) offline(missing int64) error {
	return fmt.Errorf("loader: %s: %w: %d of %d bytes are not stored; connect to the network once to fetch them",
		l.Manifest.Name, ErrOffline, missing, l.Manifest.Bytes())
}

// lock keeps two tabs from fetching the same revision at once: the second waits here and then
// finds the chunks in the store. A load that needs nothing new does not wait.
func (l *load) lock(ctx context.Context) (unlock func(), err error) {
	if !l.caching || l.Offline || l.missing() == 0 {
		return func() {}, nil
	}
	unlock, err = acquire(ctx, "flamingo:"+l.Manifest.Revision)
	if err != nil {
		return nil, err
	}
	if err := l.survey(ctx); err != nil {
		unlock()
		return nil, err
	}
	return unlock, nil
}

type arrival struct {
	data tensor.Bytes
	err  error
}

// run keeps up to Parallel chunks alive, counting the one the sink works on, and hands them over
// in order.
func (l *load) run(ctx context.Context, sink func(Piece) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var workers sync.WaitGroup
	defer workers.Wait()
	defer cancel()

	slots := make(chan struct{}, l.Parallel)
	queue := make(chan chan arrival, l.Parallel)
	workers.Go(func() {
		for i := range l.chunks {
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return
			}
			ready := make(chan arrival, 1)
			queue <- ready
			workers.Go(func() {
				data, err := l.obtain(ctx, i)
				ready <- arrival{data, err}
			})
		}
	})

	split := splitter{m: l.Manifest, order: l.Manifest.byPlace(), sink: sink}
	for i := range l.chunks {
		var a arrival
		select {
		case ready := <-queue:
			a = <-ready
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if a.err != nil {
			return a.err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := split.chunk(&l.chunks[i], a.data); err != nil {
			return err
		}
		reclaim(a.data.Len())
		<-slots
	}
	return nil
}

// splitter cuts chunks into pieces of tensors.
type splitter struct {
	m     *Manifest
	order []int // tensors by place; those before have arrived in full
	sink  func(Piece) error
}

func (s *splitter) chunk(c *chunk, data tensor.Bytes) error {
	for len(s.order) > 0 {
		i := s.order[0]
		t := &s.m.Tensors[i]
		if t.File != c.file || t.Offset >= c.offset+c.bytes {
			return nil
		}
		from := max(t.Offset, c.offset)
		to := min(t.Offset+t.Bytes, c.offset+c.bytes)
		p := Piece{Index: i, Tensor: t, Offset: from - t.Offset, Data: data.Slice(int(from-c.offset), int(to-c.offset))}
		if err := s.sink(p); err != nil {
			return err
		}
		if to < t.Offset+t.Bytes {
			return nil
		}
		s.order = s.order[1:]
	}
	return nil
}

func (l *load) giveUpCaching(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.caching {
		return
	}
	l.caching = false
	switch {
	case errors.Is(err, ErrQuota):
		l.result.Notices = append(l.result.Notices, "The store is full, so the model is not kept for the next visit; clear other models or free disk space.")
	default:
		l.result.Notices = append(l.result.Notices, fmt.Sprintf("The model is not kept for the next visit: %v", err))
	}
}
