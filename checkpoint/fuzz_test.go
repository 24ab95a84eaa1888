package checkpoint

import (
	"archive/zip"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// seed adds the files of a pattern to a corpus.
func seed(f *testing.F, patterns ...string) {
	f.Helper()
	for _, pattern := range patterns {
		list, err := filepath.Glob(pattern)
		if err != nil || len(list) == 0 {
			f.Fatal(pattern, err)
		}
		for _, path := range list {
			file, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(file)
		}
	}
}

// FuzzOpen takes files of any kind.
func FuzzOpen(f *testing.F) {
	seed(f, "testdata/*.pt", "testdata/*.npz", "testdata/sharded/*.bin")
	f.Add(oneTensor("a", 1, 2))
	f.Fuzz(exercise)
}

// FuzzTorchPickle takes the pickle of a file of torch.save, whose archive is sound.
func FuzzTorchPickle(f *testing.F) {
	for _, name := range []string{"zip", "training", "script"} {
		z, err := zip.OpenReader("testdata/" + name + ".pt")
		if err != nil {
			f.Fatal(err)
		}
		pickle, err := fs.ReadFile(z, name+"/data.pkl")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(pickle)
		z.Close()
	}
	f.Add([]byte(dictOf(text("w"), tensor1(4)) + "."))
	f.Add([]byte("cos\nsystem\n(" + text("id") + "tR."))
	f.Fuzz(func(t *testing.T, pickle []byte) { exercise(t, torchOf(t, string(pickle))) })
}

// FuzzTorchLegacy takes files of torch.save's older format after the magic number.
func FuzzTorchLegacy(f *testing.F) {
	const magic = 15 // bytes
	file, err := os.ReadFile("testdata/legacy.pt")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(file[magic:])
	f.Fuzz(func(t *testing.T, rest []byte) { exercise(t, append(file[:magic:magic], rest...)) })
}

// FuzzHaiku takes pickles of haiku parameters.
func FuzzHaiku(f *testing.F) {
	seed(f, "testdata/haiku*.npz")
	f.Fuzz(func(t *testing.T, pickle []byte) { exercise(t, append([]byte{0x80, 4}, pickle...)) })
}

// FuzzArray takes .npy files, stored and compressed in an archive.
func FuzzArray(f *testing.F) {
	f.Add([]byte(arrayOfTwo(soundHeader)))
	f.Add([]byte(arrayOfTwo("{'descr': [('x', '<f4')], 'fortran_order': True, 'shape': (1, 2), }")))
	f.Fuzz(func(t *testing.T, array []byte) {
		exercise(t, archiveOf(t, member{"a.npy", string(array), zip.Store}))
		exercise(t, archiveOf(t, member{"a.npy", string(array), zip.Deflate}))
	})
}

// FuzzIndex takes the JSON of an index of shards.
func FuzzIndex(f *testing.F) {
	seed(f, "testdata/sharded/*.json")
	f.Fuzz(func(t *testing.T, text []byte) {
		index, err := parseIndex(text)
		if err != nil {
			return
		}
		for name, shard := range index {
			if !filepath.IsLocal(shard) {
				t.Errorf("%q: shard %q is outside the directory", name, shard)
			}
		}
	})
}
