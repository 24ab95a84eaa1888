package tensor

// Bytes is a run of bytes that may live outside the Go heap, such as an ArrayBuffer in a browser.
// An implementation there also has a method JS() js.Value, by which a device can take the bytes
// without copying them into Go's memory, which never shrinks.
type Bytes interface {
	Len() int
	Slice(from, to int) Bytes // shares memory with the receiver
	CopyTo(dst []byte) int
}

// GoBytes is Bytes in the Go heap.
type GoBytes []byte

func (b GoBytes) Len() int                 { return len(b) }
func (b GoBytes) Slice(from, to int) Bytes { return b[from:to] }
func (b GoBytes) CopyTo(dst []byte) int    { return copy(dst, b) }
