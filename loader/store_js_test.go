package loader

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"syscall/js"
	"testing"
	"time"

	"github.com/hack-pad/go-indexeddb/idb"

	"flamingo/tensor"
)

func openStore(t *testing.T) *IndexedDB {
	t.Helper()
	s, err := OpenIndexedDB(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ClearCache(t.Context(), s, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func pattern(n int) tensor.GoBytes {
	p := make(tensor.GoBytes, n)
	x := uint32(n + 1)
	for i := range p {
		x = x*1664525 + 1013904223
		p[i] = byte(x >> 24)
	}
	return p
}

func keysOf(t *testing.T, s Store, prefix string) []string {
	t.Helper()
	keys, err := s.Keys(t.Context(), prefix)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(keys)
	return keys
}

func TestRecords(t *testing.T) {
	s := openStore(t)
	for _, n := range []int{0, 1, 3, 1 << 10, 4<<20 + 1} {
		for _, durable := range []bool{false, true} {
			want := pattern(n)
			if err := s.Put(t.Context(), "chunk/x", want, durable); err != nil {
				t.Fatal(err)
			}
			got, err := s.Get(t.Context(), "chunk/x")
			if err != nil || !bytes.Equal(copied(got), want) {
				t.Fatalf("%d bytes: got %d, %v", n, got.Len(), err)
			}
			if _, ok := got.(interface{ JS() js.Value }); !ok {
				t.Error("what was read lies in Go's memory")
			}
			if n > 2 && !bytes.Equal(copied(got.Slice(1, n-1)), want[1:n-1]) {
				t.Error("a slice has other bytes")
			}
			if a, b := crcs.sum(got), crcs.sum(want); a != b {
				t.Errorf("crc32c %08x through the window, %08x directly", a, b)
			}
		}
	}
	for _, k := range []string{"chunk/y", "manifest/http://a/é", "pending/p"} {
		if err := s.Put(t.Context(), k, pattern(5), false); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := keysOf(t, s, "chunk/"), []string{"chunk/x", "chunk/y"}; !slices.Equal(got, want) {
		t.Errorf("keys %q, want %q", got, want)
	}
	if err := s.Delete(t.Context(), "chunk/x", "chunk/none", "pending/p"); err != nil {
		t.Fatal(err)
	}
	if got, want := keysOf(t, s, ""), []string{"chunk/y", "manifest/http://a/é"}; !slices.Equal(got, want) {
		t.Errorf("keys %q, want %q", got, want)
	}
	if got, err := s.Get(t.Context(), "chunk/x"); got != nil || err != nil {
		t.Errorf("a deleted record: %v, %v", got, err)
	}
}

// The binding takes a transaction that was aborted without an error for a success.
func TestAbortedTransactionIsAnError(t *testing.T) {
	s := openStore(t)
	for range 3 {
		err := s.transact(t.Context(), idb.TransactionReadWrite, idb.DurabilityRelaxed, func(records *idb.ObjectStore) error {
			if _, err := records.PutKey(js.ValueOf("chunk/a"), js.ValueOf("v")); err != nil {
				return err
			}
			tx, err := records.Transaction()
			if err != nil {
				return err
			}
			return tx.Abort()
		})
		if !hasName(err, "AbortError") {
			t.Errorf("got %v, want AbortError", err)
		}
	}
	if keys := keysOf(t, s, ""); len(keys) != 0 {
		t.Errorf("stored all the same: %q", keys)
	}
}

func TestCancelledOperations(t *testing.T) {
	s := openStore(t)
	why := errors.New("why")
	for delay := range 12 {
		ctx, cancel := context.WithCancelCause(t.Context())
		if delay == 0 {
			cancel(why)
		} else {
			time.AfterFunc(time.Duration(delay-1)*time.Millisecond, func() { cancel(why) })
		}
		err := s.Put(ctx, "chunk/a", pattern(4<<20), false)
		if err != nil && err != why {
			t.Errorf("put cancelled after %d ms: %v", delay-1, err)
		}
		if _, err := s.Get(ctx, "chunk/a"); err != nil && err != why {
			t.Errorf("get cancelled: %v", err)
		}
		cancel(nil)
		if err := s.Put(t.Context(), "chunk/b", pattern(10), false); err != nil {
			t.Fatalf("the store is of no use after a cancelled put: %v", err)
		}
		if _, err := s.Get(t.Context(), "chunk/b"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReopens(t *testing.T) {
	s := openStore(t)
	put := func(what string) {
		t.Helper()
		if err := s.Put(t.Context(), "chunk/a", pattern(10), false); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	put("first")
	c := <-s.turn
	c.handle.Call("close")
	s.turn <- c
	put("after the connection was closed behind our back")
	s.Close()
	put("after Close")

	// Another tab deletes the database; it must not have to wait for us.
	factory, err := idb.WrapFactory(js.Global().Get("indexedDB"))
	if err != nil {
		t.Fatal(err)
	}
	gone, err := factory.DeleteDatabase(DatabaseName)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := gone.Await(ctx); err != nil || ctx.Err() != nil {
		t.Fatalf("deleting the database: %v, %v", err, ctx.Err())
	}
	if keys := keysOf(t, s, ""); len(keys) != 0 {
		t.Errorf("keys of a deleted database: %q", keys)
	}
	put("after the database was deleted")
}

// failingPut makes every put throw the named DOMException. A Go callback cannot throw, but a bound
// throwIfAborted can.
func failingPut(t *testing.T, name string) {
	exception := js.Global().Get("DOMException").New("made by a test", name)
	signal := js.Global().Get("AbortSignal").Call("abort", exception)
	prototype := js.Global().Get("IDBObjectStore").Get("prototype")
	original := prototype.Get("put")
	prototype.Set("put", signal.Get("throwIfAborted").Call("bind", signal))
	t.Cleanup(func() { prototype.Set("put", original) })
}

func TestThrownErrorsKeepTheirMeaning(t *testing.T) {
	s := openStore(t)
	t.Run("quota", func(t *testing.T) {
		failingPut(t, "QuotaExceededError")
		if err := s.Put(t.Context(), "chunk/a", pattern(10), false); !errors.Is(err, ErrQuota) {
			t.Errorf("got %v, want ErrQuota", err)
		}
	})
	t.Run("no blobs", func(t *testing.T) {
		failingPut(t, "DataCloneError")
		err := s.Put(t.Context(), "chunk/a", pattern(10), false)
		if !hasName(err, "DataCloneError") || !s.arrays {
			t.Errorf("got %v, arrays %v; want a try without Blobs", err, s.arrays)
		}
	})
	if !s.arrays {
		t.Fatal("still Blobs")
	}
	// A view into the middle of a buffer must be stored alone.
	view := newBytes(toJS(pattern(100))).Slice(10, 20)
	if err := s.Put(t.Context(), "chunk/a", view, false); err != nil {
		t.Fatal(err)
	}
	got, err := s.Get(t.Context(), "chunk/a")
	if err != nil || !bytes.Equal(copied(got), pattern(100)[10:20]) {
		t.Errorf("stored as an array: %v, %v", got, err)
	}
}

func TestLock(t *testing.T) {
	release, err := acquire(t.Context(), "flamingo:test")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := acquire(ctx, "flamingo:test"); err != context.DeadlineExceeded {
		t.Errorf("a lock that is held: got %v, want to wait", err)
	}
	second := make(chan error, 1)
	go func() {
		release, err := acquire(t.Context(), "flamingo:test")
		if err == nil {
			release()
		}
		second <- err
	}()
	select {
	case <-second:
		t.Error("two hold the lock")
	case <-time.After(50 * time.Millisecond):
	}
	release()
	if err := <-second; err != nil {
		t.Error(err)
	}
}
