package checkpoint

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestHostilePickles are programs that a pickle must not be able to run, and damage.
func TestHostilePickles(t *testing.T) {
	storage := pid("torch\nFloatStorage", "0", 4)
	tensors := func(tensor string) string { return dictOf(text("w"), tensor) }
	for _, row := range []struct{ what, pickle, want string }{
		{"os.system", "cos\nsystem\n(" + text("touch hacked") + "tR.", `"os.system"`},
		{"posix.system by STACK_GLOBAL", text("posix") + text("system") + "\x93" + text("id") + "\x85R.", `"posix.system"`},
		{"builtins.eval", "cbuiltins\neval\n" + text("1") + "\x85R.", `"builtins.eval"`},
		{"a name in an allowed module", "ctorch._utils\n_import_dotted_name\n.", `"torch._utils._import_dotted_name"`},
		{"a nested torch.load", "ctorch.storage\n_load_from_bytes\n.", `"torch.storage._load_from_bytes"`},
		{"a namespace of a training script", dictOf(text("args"), "cargparse\nNamespace\n)\x81") + ".", `"argparse.Namespace"`},
		{"a look-alike of TorchScript", "c__torch__evil\nX\n.", `"__torch__evil.X"`},
		{"a module saved whole", "(" + text("module") + "ctorch\nSize\n" + text("x.py") + text("code") + num(0) + "tQ.", "save its state_dict"},
		{"INST", "(ios\nsystem\n.", "refused"},
		{"OBJ", "(cos\nsystem\no.", "os.system"},
		{"OBJ of an allowed class", "(ccollections\nOrderedDict\no.", "refused"},
		{"NEWOBJ_EX", "ccollections\nOrderedDict\n)}\x92.", "refused"},
		{"an extension", "\x82\x01.", "refused"},
		{"a buffer from beside the file", "\x97.", "refused"},
		{"PERSID", "P0\n.", "refused"},
		{"a call of a string", text("os.system") + ")R.", "want a function"},
		{"a call of a storage's class", "ctorch\nFloatStorage\n)R.", "want a function"},
		{"BUILD of a number", "K\x01}b.", "has a state"},
		{"BUILD of a tensor", tensors(tensor1(1)+"(K\x01"+nums(1)+"N\x89Ctb") + ".", "byte"},
		{"an unknown operation", "\xff.", "0xff"},
		{"protocol 6", "\x80\x06}.", "protocol: got 6"},
		{"no value", ".", "stack is empty"},
		{"values below a mark", "NN(\x86t.", "stack is empty"},
		{"no mark", "}u.", "no mark"},
		{"a key without a value", "}(" + text("a") + "u.", "pairs"},
		{"items for a number", "K\x01(u.", "want a dict"},
		{"append to a number", "K\x01K\x01a.", "want a list"},
		{"what the memo has not", "h\x01.", "memo has no number 1"},
		{"a negative memo number", "}p-1\n.", "memo number"},
		{"a duplicate key", dictOf(text("w"), tensor1(1), text("w"), tensor1(1)) + ".", `"w" appears twice`},
		{"an endless list of operations", strings.Repeat("N0", maxOps), "operations"},
		{"a full stack", strings.Repeat("N", maxStack+1), "on the stack"},
		{"too many marks", strings.Repeat("(", maxMarks+1), "marks"},
		{"a full memo", "N" + strings.Repeat("\x94", maxMemo+1), "in the memo"},
		{"too much text", strings.Repeat(text(strings.Repeat("x", maxShort))+"0", maxText/maxShort+1), "bytes of strings"},
		{"a string longer than the file", "X\xff\xff\xff\x7f.", "cut off"},
		{"a string of 2^64 bytes", "\x8d\xff\xff\xff\xff\xff\xff\xff\xff.", "cut off"},
		{"bytes of 2^63", "\x8e\x00\x00\x00\x00\x00\x00\x00\x80.", "cut off"},
		{"a frame beyond the file", "\x80\x04\x95\xff\x00\x00\x00\x00\x00\x00\x00}.", "cut off"},
		{"an integer of 4 GB", "\x8b\xff\xff\xff\xff.", "an integer of"},
		{"an integer of many digits", "I" + strings.Repeat("9", 60000) + "\n.", "digits"},
		{"a line without an end", "S'" + strings.Repeat("x", 2*windowBytes), "does not end"},
		{"a string without quotes", "Sabc\n.", "quotes"},
		{"a string with half an escape", "S'\\x4'\n.", "hexadecimal"},
		{"a key of a megabyte", dictOf(text(strings.Repeat("k", 1<<20)), tensor1(1)) + ".", "key is longer"},
		{"names of 65 dicts in each other", strings.Repeat("}"+text("a"), maxDepth+2) + tensor1(1) + strings.Repeat("s", maxDepth+2) + ".", "in each other"},
		{"a dict in itself", "}p0\n" + text("a") + "g0\ns.", "in each other"},
		{"a dict that doubles 22 times", "}" + text("w") + tensor1(1) + "s" + doubled(22) + ".", "in dicts"},
		{"names that multiply", "}" + text("w") + tensor1(1) + "s" + strings.Replace(doubled(20), text("b"), text(strings.Repeat("n", 4000)), -1) + ".", "names are longer"},
		{"names that are long together", "}" + text("w") + tensor1(1) + "s" + strings.Replace(doubled(15), text("b"), text(strings.Repeat("n", 250)), -1) + ".", "names are longer"},
		{"a list", "](" + tensor1(1) + "e.", "want a dict of tensors"},
		{"a lone tensor", tensor1(1) + ".", "want a dict of tensors"},
		{"no tensors", dictOf(text("a"), num(1)) + ".", "no tensors"},
		{"a name that is not UTF-8", dictOf(text("\xff"), tensor1(1)) + ".", "UTF-8"},
		{"names that become one", dictOf(text("module.a"), tensor1(1), text("a"), tensor1(2)) + ".", "would both be called"},

		{"a storage that is missing", tensors(part(pid("torch\nFloatStorage", "9", 4), 0, nums(4), nums(1))) + ".", "a/data/9: the member is missing"},
		{"a storage beside the storages", tensors(part(pid("torch\nFloatStorage", "../data.pkl", 1), 0, nums(1), nums(1))) + ".", "missing"},
		{"a storage longer than its member", tensors(part(pid("torch\nFloatStorage", "0", 5), 0, nums(4), nums(1))) + ".", "got 16 bytes, want 20"},
		{"a storage of 2^60 elements", tensors(part(pid("torch\nFloatStorage", "0", 1<<60), 0, nums(4), nums(1))) + ".", "number of elements"},
		{"a storage of -1 elements", tensors(part(pid("torch\nFloatStorage", "0", -1), 0, nums(4), nums(1))) + ".", "number of elements"},
		{"a storage with two lengths", dictOf(text("v"), tensor1(1), text("w"), part(pid("torch\nFloatStorage", "0", 2), 0, nums(1), nums(1))) + ".", "as before"},
		{"a storage with two dtypes", dictOf(text("v"), tensor1(1), text("w"), part(pid("torch\nHalfStorage", "0", 4), 0, nums(1), nums(1))) + ".", "as before"},
		{"a storage of complex numbers", tensors(part(pid("torch\nComplexFloatStorage", "0", 2), 0, nums(1), nums(1))) + ".", "ComplexFloatStorage"},
		{"a reference that is a string", text("0") + "Q.", "want a tuple"},
		{"a reference without a class", "(" + text("storage") + text("torch.FloatStorage") + text("0") + text("cpu") + "K\x04tQ.", "want a class of storages"},
		{"an element beyond the storage", tensors(part(storage, 1, nums(4), nums(1))) + ".", "number 4 of its storage, which has 4"},
		{"strides beyond the storage", tensors(part(storage, 0, nums(2, 2), nums(3, 1))) + ".", "number 4"},
		{"an offset of 2^62", tensors(part(storage, 1<<62, nums(1), nums(1))) + ".", "offset"},
		{"a negative offset", tensors(part(storage, -1, nums(1), nums(1))) + ".", "offset"},
		{"a negative stride", tensors(part(storage, 3, nums(4), nums(-1))) + ".", "strides"},
		{"a negative stride that is never taken", tensors(part(storage, 0, nums(1), nums(-1))) + ".", "strides"},
		{"strides to the start by way of 2^64", tensors(part(storage, 1, nums(4), nums(0x5555555555555555))) + ".", "strides"},
		{"strides of 2^62", tensors(part(storage, 0, nums(5, 5), nums(1<<62, 1<<62))) + ".", "strides"},
		{"strides that overflow", tensors(part(storage, 0, nums(2, 2, 2, 2, 2), nums(1<<52, 1<<52, 1<<52, 1<<52, 1<<52))) + ".", "strides"},
		{"a shape that overflows", tensors(part(storage, 0, nums(1<<31, 1<<31, 4), nums(0, 0, 0))) + ".", "2^53"},
		{"a shape of 2^40 from one element", tensors(part(storage, 0, nums(1<<20, 1<<20), nums(0, 0))) + ".", "repeats a storage"},
		{"an empty shape that overflows", tensors(part(storage, 0, nums(1<<40, 1<<40, 0), nums(1, 1, 1))) + ".", "2^53"},
		{"a negative shape", tensors(part(storage, 0, nums(-1), nums(1))) + ".", "at least 0"},
		{"two negative axes", tensors(part(storage, 0, nums(-2, -2), nums(2, 1))) + ".", "at least 0"},
		{"fewer strides than axes", tensors(part(storage, 0, nums(2, 2), nums(1))) + ".", "do not fit"},
		{"17 axes", tensors(part(storage, 0, nums(make([]int, 17)...), nums(make([]int, 17)...))) + ".", "at most 16"},
		{"a shape of strings", tensors(part(storage, 0, "("+text("4")+"t", nums(1))) + ".", "want an integer"},
		{"a tensor without a storage", tensors(part(text("0"), 0, nums(1), nums(1))) + ".", "want a storage"},
		{"too few arguments", tensors(rebuild+"("+storage+"tR") + ".", "got 1 arguments"},
		{"a negated tensor", tensors(strings.Replace(tensor1(1), "NtR", "N}"+text("neg")+"\x88stR", 1)) + ".", "resolve_neg"},
		{"a list of pairs copied over and over", "(" + strings.Repeat("K\x01K\x01\x86", 1<<12) + "lp0\n0" + strings.Repeat("ccollections\nOrderedDict\nh\x00\x85R0", 1<<10) + ".", "operations"},
		{"a parameter of nothing", "ctorch._utils\n_rebuild_parameter\n)R.", "no arguments"},
		{"a pair of one", "ccollections\nOrderedDict\n(((" + text("a") + "lltR.", "want a pair"},
	} {
		refused(t, row.what, torchOf(t, row.pickle), row.want)
		if _, err := os.Stat("hacked"); err == nil {
			t.Fatal("the pickle was executed")
		}
	}
}

// doubled wraps the dict on the stack n times in one that has it under two names.
func doubled(n int) string {
	return strings.Repeat("p0\n0}("+text("b")+"g0\n"+text("c")+"g0\nu", n)
}

// TestHostileArrays are haiku pickles.
func TestHostileArrays(t *testing.T) {
	dtype := func(code, order string) string {
		return "cnumpy\ndtype\n(" + text(code) + "\x89\x88tR(K\x03" + text(order) + "NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
	}
	array := func(shape, dtype, data string) string {
		return dictOf(text("m"), dictOf(text("w"), "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85C\x01btR(K\x01"+shape+dtype+"\x89"+data+"tb")) + "."
	}
	latin := func(s, encoding string) string { return "c_codecs\nencode\n(" + text(s) + text(encoding) + "tR" }
	long := strings.Repeat("x", maxShort)
	for _, row := range []struct{ what, pickle, want string }{
		{"fewer bytes than the shape", array(nums(3), dtype("f4", "<"), "C\x08abcdefgh"), `tensor "m/w": got 8 bytes, want 12`},
		{"more bytes than the shape", array(nums(1), dtype("f4", "<"), "C\x08abcdefgh"), "got 8 bytes, want 4"},
		{"a shape that overflows", array(nums(1<<32, 1<<32), dtype("f4", "<"), "C\x00"), "2^53"},
		{"a negative shape", array(nums(-1, -1), dtype("f4", "<"), "C\x04abcd"), "at least 0"},
		{"big endian", array(nums(1), dtype("f4", ">"), "C\x04abcd"), "big endian"},
		{"a byte order of two letters", array(nums(1), dtype("f4", "<>"), "C\x04abcd"), "byte order"},
		{"a list of numbers", array(nums(1), dtype("f4", "<"), "]"), "want the array's bytes"},
		{"an array of objects alone", array(nums(1), dtype("O8", "|"), "]"), "no tensors"},
		{"text instead of bytes", array(nums(1), dtype("f4", "<"), text("abcd")), "want the array's bytes"},
		{"characters beyond latin1", array(nums(1), dtype("f4", "<"), latin("abc\u0100", "latin1")), "beyond latin1"},
		{"a long text with such a character", array(nums(1), dtype("f4", "<"), latin(long+"\u0100", "latin1")), "no character of latin1"},
		{"a long text that is not UTF-8", array(nums(1), dtype("f4", "<"), latin(long+"\xc3", "latin1")), "no character of latin1"},
		{"a long text of another length", array(nums(1), dtype("f4", "<"), latin(long+"é", "latin1")), "got 4097 bytes, want 4"},
		{"another encoding", array(nums(1), dtype("f4", "<"), latin("abcd", "rot13")), `"rot13"`},
		{"an array made twice", "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85C\x01btRp0\n0g0\n(K\x01" + nums(1) + dtype("f4", "<") + "\x89C\x04abcdtb(K\x01" + nums(1) + dtype("f4", "<") + "\x89C\x04abcdtb.", "its state already"},
		{"another class of arrays", "cnumpy\nmemmap\n.", `"numpy.memmap"`},
		{"an array of a class that is none", "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\ndtype\nK\x00\x85C\x01btR.", "want numpy.ndarray"},
		{"a type of a type", "cnumpy\ndtype\n(cnumpy\nndarray\n\x89\x88tR.", "want the code"},
		{"a buffer in no order", dictOf(text("w"), "cnumpy.core.numeric\n_frombuffer\n(C\x04abcd"+dtype("f4", "<")+nums(1)+text("K")+"tR") + ".", "want C or F"},
		{"a jax array", "cjax.interpreters.xla\nDeviceArray\n.", `"jax.interpreters.xla.DeviceArray"`},
		{"a reference to a storage", "(" + text("storage") + "tQ.", "storage outside this pickle"},
		{"a number", "K\x01.", "want a dict of tensors"},
		{"bytes from arguments", "c__builtin__\nbytes\nK\x05\x85R.", "want none"},
	} {
		refused(t, row.what, []byte("\x80\x02"+row.pickle), row.want)
	}
}

// TestHostileLegacy are files of torch.save's older format.
func TestHostileLegacy(t *testing.T) {
	tensors := "}" + text("w") + part("("+text("storage")+"ctorch\nFloatStorage\n"+text("k")+text("cpu")+num(2)+"NtQ", 0, nums(2), nums(1)) + "s"
	keys, data := "]"+text("k")+"a", "\x02\x00\x00\x00\x00\x00\x00\x00"+floats(1, 2)
	sound := legacyOf(tensors, keys, data)
	if _, err := openBytes([]byte(sound)); err != nil {
		t.Fatal(err)
	}
	view := func(offset, n int) string {
		return strings.Replace(tensors, num(2)+"NtQ", num(2)+"("+text("v")+num(offset)+num(n)+"ttQ", 1)
	}
	for _, row := range []struct{ what, file, want string }{
		{"another protocol", strings.Replace(sound, "M\xe9\x03", "M\xea\x03", 1), "got the number 1002, want 1001"},
		{"big endian", strings.Replace(sound, "\x88u", "\x89u", 1), "little endian"},
		{"no word of the system", strings.Replace(sound, "}("+text("little_endian")+"\x88u", "N", 1), "little endian"},
		{"storages cut off", sound[:len(sound)-1], `storage "k": 8 bytes are needed`},
		{"a length cut off", sound[:len(sound)-9], `storage "k": 8 bytes are needed`},
		{"another length", legacyOf(tensors, keys, "\x03"+data[1:]), `"k": got 3 elements, want 2`},
		{"a negative length", legacyOf(tensors, keys, strings.Repeat("\xff", 8)+data[8:]), `"k": got 18446744073709551615 elements, want 2`},
		{"a storage that is not listed", legacyOf(tensors, "]", data), "does not list"},
		{"a storage listed twice", legacyOf(tensors, keys+text("k")+"a", data+data), "listed twice"},
		{"a storage that nothing uses", legacyOf(tensors, keys+text("j")+"a", data), `"j": no tensor uses it`},
		{"keys that are no list", legacyOf(tensors, "N", data), "want the list"},
		{"keys that are numbers", legacyOf(tensors, "]K\x01a", data), "want the key"},
		{"a part beyond its storage", legacyOf(view(1, 2), keys, data), "want one of the 2"},
		{"a negative part", legacyOf(view(-1, 2), keys, data), "want one of the 2"},
		{"a part of 2^62", legacyOf(view(1, 1<<62), keys, data), "want one of the 2"},
		{"a part that is a number", strings.Replace(sound, "NtQ", "K\x01tQ", 1), "want None or a tuple"},
		{"a storage of 2^52 elements", legacyOf(strings.Replace(tensors, num(2)+"NtQ", num(1<<52)+"NtQ", 1), keys, "\x00\x00\x00\x00\x00\x00\x10\x00"+data[8:]), "cut off"},
		{"a tensor beyond its storage", legacyOf(strings.Replace(tensors, nums(2), nums(3), 1), keys, data), `tensor "w": the last element is number 2`},
	} {
		refused(t, row.what, []byte(row.file), row.want)
	}
}

// TestWrongFiles are what is found where weights should be.
func TestWrongFiles(t *testing.T) {
	sound := torchOf(t, dictOf(text("w"), tensor1(4))+".")
	zipped := func(members ...member) string { return string(archiveOf(t, members...)) }
	pkl := member{name: "a/data.pkl", data: dictOf(text("w"), tensor1(4)) + "."}
	data := member{name: "a/data/0", data: floats(1, 2, 3, 4)}
	deflated := func(m member) member { m.method = zip.Deflate; return m }
	for _, row := range []struct{ what, file, want string }{
		{"nothing", "", "empty"},
		{"a pointer of Git LFS", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"},
		{"a web page", "\n <!DOCTYPE html><html>", "web page"},
		{"another web page", "<HTML><body>", "web page"},
		{"an answer of a server", "Entry not found", `"Entry not found"`},
		{"a gzip file", "\x1f\x8b\x08\x00", "gzip"},
		{"an HDF5 file", "\x89HDF\r\n\x1a\n", "HDF5"},
		{"a lone array", "\x93NUMPY\x01\x00", "numpy.savez"},
		{"JSON without weights", `{"architectures": ["x"]}`, "weight_map"},
		{"one byte", "\x80", "cut off"},
		{"a zip of other files", zipped(member{name: "readme.txt", data: "hello"}), "neither a data.pkl"},
		{"an empty zip", zipped(), "neither a data.pkl"},
		{"the start of a zip", string(sound[:len(sound)/2]), "zip"},
		{"the header of safetensors, cut off", "\xff\x00\x00\x00\x00\x00\x00\x00{\"w\"", "header length: got 255"},
		{"safetensors, cut off", "\x3a\x00\x00\x00\x00\x00\x00\x00" + `{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}    ` + "1234", "w"},
		{"two pickles", zipped(pkl, data, member{name: "b/data.pkl", data: "N."}), "want one pickle"},
		{"a member twice", zipped(pkl, data, data), "a/data/0: the member appears twice"},
		{"a compressed tensor", zipped(pkl, deflated(data)), "a/data/0: the member is compressed"},
		{"big endian", zipped(pkl, data, member{name: "a/byteorder", data: "big"}), `got "big"`},
		{"a version of the future", zipped(pkl, data, member{name: "a/version", data: "11\n"}), `a/version: got "11"`},
		{"an array without a header", zipped(member{name: "w.npy", data: "NUMPY"}), "w.npy: header"},
		{"an array of another version", zipped(member{name: "w.npy", data: "\x93NUMPY\x04\x00\x00\x00"}), "version: got 4"},
		{"a header beyond the member", zipped(member{name: "w.npy", data: "\x93NUMPY\x02\x00\xff\xff\xff\xff"}), "header: got 4294967295"},
	} {
		refusedPath(t, row.what, write(t, t.TempDir(), "wrong.bin", []byte(row.file)), row.want)
	}
	if _, err := openBytes([]byte(zipped(deflated(pkl), data))); err != nil {
		t.Errorf("a pickle that is compressed: %v", err)
	}
}

// changed copies a sound archive and puts bytes into a member's entry in the directory.
func changed(t *testing.T, sound []byte, name string, at int, put string) []byte {
	t.Helper()
	const header = 46
	i := bytes.LastIndex(sound, []byte(name)) - header
	if i < 0 || string(sound[i:i+4]) != "PK\x01\x02" {
		t.Fatalf("%s is not in the directory", name)
	}
	file := bytes.Clone(sound)
	copy(file[i+at:], put)
	return file
}

// TestHostileArchives change the directory of a sound file.
func TestHostileArchives(t *testing.T) {
	pickle := dictOf(text("w"), tensor1(4)) + "."
	stored := torchOf(t, pickle)
	deflated := archiveOf(t, member{"a/data.pkl", pickle, zip.Deflate}, member{name: "a/data/0", data: floats(1, 2, 3, 4)})
	bomb := archiveOf(t, member{"a/data.pkl", strings.Repeat("N0", 1<<20), zip.Deflate})
	array := archiveOf(t, member{"w.npy", arrayOfTwo(soundHeader), zip.Deflate})
	for _, sound := range [][]byte{stored, deflated, array} {
		if _, err := openBytes(sound); err != nil {
			t.Fatal(err)
		}
	}
	const flags, method, compressed, size, place = 8, 10, 20, 24, 42
	for _, row := range []struct {
		what string
		file []byte
		want string
	}{
		{"encrypted", changed(t, stored, "a/data/0", flags, "\x01"), "encrypted"},
		{"another method", changed(t, stored, "a/data/0", method, "\x0c"), "compression method: got 12"},
		{"a compressed size that differs", changed(t, stored, "a/data/0", compressed, "\x08"), "stored as 8"},
		{"sizes beyond the file", changed(t, stored, "a/data/0", compressed, "\xff\xff\x00\x00\xff\xff\x00\x00"), "a/data/0: got 65535 bytes"},
		{"a place beyond the file", changed(t, stored, "a/data/0", place, "\xff\xff\xff\x7f"), "a/data/0"},
		{"the place of the pickle", changed(t, stored, "a/data/0", place, "\x00\x00\x00\x00"), "overlap"},
		{"a pickle of 4 GB", changed(t, deflated, "a/data.pkl", size, "\x00\x00\x00\xf0"), "want at most"},
		{"a pickle longer than it claims", changed(t, bomb, "a/data.pkl", size, "\x10\x00\x00\x00"), "a/data.pkl"},
		{"a pickle shorter than it claims", changed(t, deflated, "a/data.pkl", size, "\x00\x00\x01"), "a/data.pkl"},
		{"an array of 4 GB", changed(t, array, "w.npy", size, "\x00\x00\x00\xf0"), "want at most"},
		{"an array longer than its shape", changed(t, array, "w.npy", size, "\x00\x01"), "want 8"},
	} {
		refused(t, row.what, row.file, row.want)
	}
}

// TestLyingArray reads an array whose compressed bytes are fewer than the directory says.
func TestLyingArray(t *testing.T) {
	sound := arrayOfTwo(soundHeader)
	short := archiveOf(t, member{"w.npy", sound[:len(sound)-4], zip.Deflate})
	list, err := openBytes(changed(t, short, "w.npy", 24, string(rune(len(sound)))))
	if err != nil {
		t.Fatal(err)
	}
	if v, err := list[0].floats(0, 2); err == nil || !strings.Contains(err.Error(), "w.npy") {
		t.Errorf("got %v, %v", v, err)
	}
}

func TestHostileArrayHeaders(t *testing.T) {
	file := func(header string) []byte { return archiveOf(t, member{name: "w.npy", data: arrayOfTwo(header)}) }
	for _, good := range []string{soundHeader, "{'shape':(2L,),'fortran_order':True,\"descr\":\"<f4\"}"} {
		if _, err := openBytes(file(good)); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, row := range []struct{ change, want string }{
		{"(2,) -> (3,)", "got 8 bytes, want 12"},
		{"(2,) -> (2,1,0)", "got 8 bytes, want 0"},
		{"(2,) -> (-2,)", "shape"},
		{"(2,) -> (99999999999999999999,)", "shape"},
		{"(2,) -> (4294967296,4294967296)", "2^53"},
		{"(2,) -> (2", "shape"},
		{"(2,) -> (2 2)", "shape"},
		{"(2,) -> 2", "shape"},
		{"(2,) -> [2]", "shape"},
		{"<f4 -> >f4", "big endian"},
		{"'<f4' -> <f4", "descr"},
		{"'<f4' -> [('x', '<f4')", "descr"},
		{"'<f4' -> '<f4", "want , or }"},
		{"False -> 0", "fortran_order"},
		{"'shape' -> 'descr'", `"descr" appears twice`},
		{"'shape': (2,), -> ", "want descr"},
		{"'shape' -> 'extra'", `"extra" is not known`},
		{"False, -> False", "want , or }"},
		{"}   -> } x", "nothing more"},
		{"{ -> [", "want {"},
		{soundHeader + " -> ", "want {"},
		{"} -> ", "want a string"},
	} {
		old, changed, _ := strings.Cut(row.change, " -> ")
		if !strings.Contains(soundHeader, old) {
			t.Fatalf("%s: not in the header", row.change)
		}
		refused(t, row.change, file(strings.Replace(soundHeader, old, changed, 1)), row.want)
	}
}

// TestTruncated cuts every fixture off at many places: none may be read.
func TestTruncated(t *testing.T) {
	for _, path := range fixtures(t) {
		file, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		step := max(1, len(file)/200)
		for n := 0; n < len(file); n += step {
			if _, err := openBytes(file[:n]); err == nil {
				t.Errorf("%s: %d of %d bytes were read", path, n, len(file))
			}
		}
	}
}

// TestDamaged changes many bytes of every fixture.
func TestDamaged(t *testing.T) {
	for _, path := range fixtures(t) {
		file, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		step := max(1, len(file)/100)
		for i := 0; i < len(file); i += step {
			for _, b := range []byte{0x00, 0xff, file[i] ^ 1} {
				old := file[i]
				file[i] = b
				exercise(t, file)
				file[i] = old
			}
		}
	}
}

// fixtures are the files of testdata that hold tensors themselves.
func fixtures(t testing.TB) []string {
	t.Helper()
	var out []string
	for _, pattern := range []string{"testdata/*.pt", "testdata/*.npz", "testdata/sharded/*.bin"} {
		list, err := filepath.Glob(pattern)
		if err != nil || len(list) == 0 {
			t.Fatal(pattern, err)
		}
		out = append(out, list...)
	}
	return out
}
