package loader

import (
	"context"
	"errors"
	"fmt"
	"syscall/js"
	"time"

	"github.com/hack-pad/go-indexeddb/idb"

	"flamingo/tensor"
)

// Names in the browser's storage.
const (
	DatabaseName    = "flamingo"
	ObjectStoreName = "records"
	databaseVersion = 1

	openLimit = 3 * time.Second
	endLimit  = 10 * time.Second // for a transaction that was told to abort
)

// IndexedDB is the Store of a browser: one database, one object store, one Blob a record.
type IndexedDB struct {
	factory *idb.Factory
	turn    chan *connectionDB // holds one token: the connection, nil when there is none
	arrays  bool               // this browser does not store Blobs
}

// connectionDB is an open database. The binding does not expose the end of a transaction reliably:
// its Await reports success when a transaction was aborted without an error, or when ctx ended.
// Transactions are therefore run one at a time and their end is taken from the events on their way
// through the database, which precede anything the binding could miss.
type connectionDB struct {
	db     *idb.Database
	closed bool
	ended  chan error // one value for each transaction: nil if it was committed
	handle js.Value
	events map[string]js.Func
}

// OpenIndexedDB opens the browser's store. It fails, within seconds, where storage is missing or
// denied (a sandboxed frame, some private windows) or a newer version of this program has changed
// it; the caller then goes on without a store.
func OpenIndexedDB(ctx context.Context) (*IndexedDB, error) {
	value, err := property(js.Global(), "indexedDB")
	if err == nil && !value.Truthy() {
		err = errors.New("there is no indexedDB here")
	}
	if err != nil {
		return nil, fmt.Errorf("loader: store: %w; the model is loaded without being kept", err)
	}
	factory, err := idb.WrapFactory(value)
	if err != nil {
		return nil, fmt.Errorf("loader: store: %w", err)
	}
	s := &IndexedDB{factory: factory, turn: make(chan *connectionDB, 1)}
	c, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	s.turn <- c
	return s, nil
}

// Close closes the connection; the next use opens it again.
func (s *IndexedDB) Close() {
	c := <-s.turn
	if c != nil {
		c.close()
	}
	s.turn <- nil
}

func (s *IndexedDB) open(ctx context.Context) (*connectionDB, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, openLimit, fmt.Errorf("no answer in %v; close other tabs of this site", openLimit))
	defer cancel()
	request, err := s.factory.Open(ctx, DatabaseName, databaseVersion, func(db *idb.Database, _, _ uint) error {
		_, err := db.CreateObjectStore(ObjectStoreName, idb.ObjectStoreOptions{})
		return err
	})
	if err != nil {
		return nil, storeError(err)
	}
	db, err := request.Await(ctx)
	if err == nil && ctx.Err() != nil {
		// Await returns no error then. A connection that came late would be in the way of other tabs.
		err = context.Cause(ctx)
		_ = request.ListenSuccess(context.Background(), func() {
			if late, err := request.Result(); err == nil {
				_ = late.Close()
			}
		})
	}
	if err != nil {
		return nil, storeError(err)
	}
	handle, err := request.Request.Result()
	if err != nil {
		return nil, storeError(err)
	}
	c := &connectionDB{db: db, handle: handle, ended: make(chan error, 1), events: map[string]js.Func{}}
	c.listen("complete", func(js.Value) { c.end(nil) })
	c.listen("abort", func(tx js.Value) {
		if e := tx.Get("error"); e.Truthy() {
			c.end(exception(e))
		} else {
			c.end(domError{"AbortError", "the transaction was aborted"})
		}
	})
	c.listen("versionchange", func(js.Value) { c.closed = true })
	c.listen("close", func(js.Value) {
		c.closed = true
		c.end(domError{"InvalidStateError", "the browser closed the database"})
	})
	return c, nil
}

// listen hears an event of the database, or on its way to one of its transactions.
func (c *connectionDB) listen(name string, f func(target js.Value)) {
	fn := js.FuncOf(func(_ js.Value, args []js.Value) any {
		f(args[0].Get("target"))
		return nil
	})
	c.events[name] = fn
	c.handle.Call("addEventListener", name, fn, true)
}

func (c *connectionDB) end(err error) {
	select {
	case c.ended <- err:
	default:
	}
}

func (c *connectionDB) close() {
	for name, fn := range c.events {
		c.handle.Call("removeEventListener", name, fn, true)
		fn.Release()
	}
	_ = c.db.Close()
}

// transact runs issue in a transaction of its own and returns when that is committed. issue must
// only make requests: a transaction commits as soon as nothing is asked of it.
func (s *IndexedDB) transact(ctx context.Context, mode idb.TransactionMode, durability idb.TransactionDurability, issue func(*idb.ObjectStore) error) error {
	var c *connectionDB
	select {
	case c = <-s.turn:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { s.turn <- c }()

	for attempts := 0; ; attempts++ {
		if c != nil && c.closed {
			c.close()
			c = nil
		}
		if c == nil {
			var err error
			if c, err = s.open(ctx); err != nil {
				return err
			}
		}
		err := c.transact(ctx, mode, durability, issue)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if hasName(err, "InvalidStateError") && attempts == 0 {
			c.closed = true
			continue
		}
		return storeError(err)
	}
}

func (c *connectionDB) transact(ctx context.Context, mode idb.TransactionMode, durability idb.TransactionDurability, issue func(*idb.ObjectStore) error) error {
	tx, err := c.db.TransactionWithOptions(idb.TransactionOptions{Mode: mode, Durability: durability}, ObjectStoreName)
	if err != nil {
		return err
	}
	records, err := tx.ObjectStore(ObjectStoreName)
	if err == nil {
		err = issue(records)
	}
	if err != nil {
		if tx.Abort() == nil {
			<-c.ended
		}
		return err
	}
	select {
	case err := <-c.ended:
		return err
	case <-ctx.Done():
	}
	// One that is committing refuses to be aborted. Its event must be waited for all the same, or the
	// next transaction would take it for its own, and reading an unfinished request ends the program.
	_ = tx.Abort()
	select {
	case <-c.ended:
	case <-time.After(endLimit):
		c.closed = true
	}
	return context.Cause(ctx)
}

// Get is part of Store.
func (s *IndexedDB) Get(ctx context.Context, key string) (tensor.Bytes, error) {
	var request *idb.Request
	err := s.transact(ctx, idb.TransactionReadOnly, idb.DurabilityDefault, func(records *idb.ObjectStore) (err error) {
		request, err = records.Get(js.ValueOf(key))
		return err
	})
	if err != nil {
		return nil, err
	}
	value, err := request.Result()
	if err != nil {
		return nil, storeError(err)
	}
	if !value.Truthy() {
		return nil, nil
	}
	if value.InstanceOf(js.Global().Get("Blob")) {
		if value, err = await(ctx, value.Call("arrayBuffer")); err != nil {
			return nil, storeError(err)
		}
	}
	var array js.Value
	if err := attempt(func() { array = uint8Array.New(value) }); err != nil {
		return nil, storeError(err)
	}
	return newBytes(array), nil
}

// Put is part of Store.
func (s *IndexedDB) Put(ctx context.Context, key string, data tensor.Bytes, durable bool) error {
	durability := idb.DurabilityRelaxed
	if durable {
		durability = idb.DurabilityStrict
	}
	array := toJS(data)
	put := func() error {
		var value js.Value
		if s.arrays {
			value = array.Call("slice").Get("buffer")
		} else {
			value = js.Global().Get("Blob").New([]any{array})
		}
		return s.transact(ctx, idb.TransactionReadWrite, durability, func(records *idb.ObjectStore) error {
			_, err := records.PutKey(js.ValueOf(key), value)
			return err
		})
	}
	err := put()
	if hasName(err, "DataCloneError") && !s.arrays {
		s.arrays = true
		err = put()
	}
	return err
}

// Delete is part of Store.
func (s *IndexedDB) Delete(ctx context.Context, keys ...string) error {
	if len(keys) == 0 {
		return nil
	}
	return s.transact(ctx, idb.TransactionReadWrite, idb.DurabilityRelaxed, func(records *idb.ObjectStore) error {
		for _, key := range keys {
			if _, err := records.Delete(js.ValueOf(key)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Keys is part of Store.
func (s *IndexedDB) Keys(ctx context.Context, prefix string) ([]string, error) {
	var request *idb.ArrayRequest
	err := s.transact(ctx, idb.TransactionReadOnly, idb.DurabilityDefault, func(records *idb.ObjectStore) error {
		within, err := idb.NewKeyRangeBound(js.ValueOf(prefix), js.ValueOf(prefix+"\uffff"), false, false)
		if err != nil {
			return err
		}
		request, err = records.GetAllKeysRange(within, 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	values, err := request.Result()
	if err != nil {
		return nil, storeError(err)
	}
	keys := make([]string, len(values))
	for i, v := range values {
		keys[i] = v.String()
	}
	return keys, nil
}

// hasName reports whether err is the named DOMException. The binding returns asynchronous ones as
// its own type and synchronous ones inside an error that its type switch does not look into.
func hasName(err error, name string) bool {
	var own domError
	var thrown js.Error
	switch {
	case errors.As(err, &own):
		return own.name == name
	case errors.As(err, &thrown):
		return thrown.Get("name").String() == name
	}
	return errors.Is(err, idb.NewDOMException(name))
}

func storeError(err error) error {
	if err == nil {
		return nil
	}
	if hasName(err, "QuotaExceededError") {
		return fmt.Errorf("loader: store: %w", ErrQuota)
	}
	return fmt.Errorf("loader: store: %w", err)
}
