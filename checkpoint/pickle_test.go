package checkpoint

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestPickles are sound pickles with what PyTorch 1.13 and Python 3 no longer write, or not here.
func TestPickles(t *testing.T) {
	zeroOne := part(pid("torch\nFloatStorage", "0", 4), 1, nums(2), nums(2)) // elements 2 and 4
	for _, row := range []struct{ what, pickle, want string }{
		{"an opcode of every kind of number", dictOf(text("w"), tensor1(2), text("n"), "I5\n", text("l"), "L5L\n", text("f"), "F0.5\n",
			text("g"), "G\x3f\xe0\x00\x00\x00\x00\x00\x00", text("t"), "I01\n", text("b"), "\x8a\x00", text("c"), "\x8b\x01\x00\x00\x00\xff"), "w=1,2"},
		{"strings of Python 2", "}" + "U\x01w" + zeroOne + "s" + "T\x01\x00\x00\x00x" + tensor1(1) + "s" + `S'y\x41\n\''` + "\n" + tensor1(1) + "s", "w=2,4 x=1 yA\n'=1"},
		{"text of protocol 0", "(dp0\nV\\u00e9w\\y\n" + tensor1(2) + "s", `éw\y=1,2`},
		{"POP, POP_MARK and DUP", "N0(N1}2" + text("a") + tensor1(1) + "s0", "a=1"},
		{"POP of a mark", "(0" + dictOf(text("a"), tensor1(1)), "a=1"},
		{"the memo by line and by number", "}p5\n0g5\nr\x09\x00\x00\x000j\x09\x00\x00\x00" + text("a") + tensor1(1) + "s", "a=1"},
		{"a set, a frozenset, a list and a long tuple", dictOf(text("s"), "\x8f(K\x01\x90", text("f"), "(K\x01\x91", text("l"), "(K\x01lK\x02a(K\x03e", text("t"), "(K\x01K\x02K\x03K\x04t", text("w"), tensor1(1)), "w=1"},
		{"an OrderedDict of pairs", "ccollections\nOrderedDict\n((" + "(" + text("a") + tensor1(1) + "l" + text("b") + tensor1(2) + "\x86" + "ltR", "a=1 b=1,2"},
		{"a frame", "\x80\x04\x95\x01\x00\x00\x00\x00\x00\x00\x00" + dictOf(text("a"), tensor1(1)), "a=1"},
		{"STACK_GLOBAL", dictOf(text("a"), strings.Replace(tensor1(1), rebuild, text("torch._utils")+text("_rebuild_tensor_v2")+"\x93", 1)), "a=1"},
		{"torch's first rebuild", dictOf(text("a"), "ctorch._utils\n_rebuild_tensor\n("+pid("torch\nFloatStorage", "0", 4)+num(2)+nums(1)+nums(1)+"tR"), "a=3"},
		{"torch.Size", dictOf(text("a"), part(pid("torch\nFloatStorage", "0", 4), 0, "ctorch\nSize\n"+nums(2)+"\x85R", nums(1))), "a=1,2"},
		{"an untyped storage and a dtype", dictOf(text("a"), "ctorch._utils\n_rebuild_tensor_v3\n("+pid("torch.storage\nUntypedStorage", "0", 16)+num(1)+nums(2)+nums(1)+"\x89Nctorch\nfloat32\nNtR"), "a=2,3"},
		{"a parameter with a state", dictOf(text("a"), "ctorch._utils\n_rebuild_parameter_with_state\n("+tensor1(1)+"\x88N}tR"), "a=1"},
		{"an OrderedDict with attributes", "ccollections\nOrderedDict\n)R(" + text("a") + tensor1(1) + "u}(" + text("_metadata") + "}ub", "a=1"},
		{"keys that are no text", dictOf(num(1), tensor1(1), "N", tensor1(1), text("a"), tensor1(1)), "a=1"},
		{"a dict in itself, beside tensors of a model", "}p0\n(" + text("self") + "g0\n" + text("model") + dictOf(text("a"), tensor1(1)) + "u", "a=1"},
		{"state_dict before model", dictOf(text("model"), dictOf(text("b"), tensor1(1)), text("state_dict"), dictOf(text("a"), tensor1(1))), "a=1"},
		{"a model that is no dict of tensors", dictOf(text("model"), dictOf(text("part"), dictOf(text("a"), tensor1(1))), text("b"), tensor1(1)), "b=1 model.part.a=1"},
		{"an optimizer that knows names", dictOf(text("o"), dictOf(text("state"), dictOf(text("w"), tensor1(1)), text("param_groups"), "]"), text("state"), dictOf(text("a"), tensor1(1))), "state.a=1"},
		{"wrappers anywhere", dictOf(text("module._orig_mod.a.module.module"), tensor1(1), text("modules.b"), tensor1(1)), "a.module=1 modules.b=1"},
		{"names that become one, with one storage", dictOf(text("module.a"), tensor1(1), text("a"), tensor1(1)), "a=1"},
		{"a strided tensor without elements", dictOf(text("a"), part(pid("torch\nFloatStorage", "0", 4), 0, nums(3, 0), nums(7, 9))), "a="},
		{"NumPy 2's names", dictOf(text("a"), "cnumpy._core.multiarray\nscalar\n(cnumpy\ndtype\n("+text("<f4")+"\x89\x88tRC\x04\x00\x00\x80\x3ftR"), "a=1"},
		{"objects of TorchScript with a list and without a dict", dictOf(text("m"), "c__torch__.x\nY\n)\x81("+text("l")+"tb", text("n"), "c__torch__\nZ\n)\x81}"+text("w")+tensor1(1)+"sb"), "n.w=1"},
	} {
		list, err := openBytes(torchOf(t, row.pickle+"."))
		if err != nil {
			t.Errorf("%s: %v", row.what, err)
			continue
		}
		var got []string
		for _, x := range list {
			v, err := x.floats(0, x.shape.Len())
			if err != nil {
				t.Errorf("%s: %s: %v", row.what, x.name, err)
			}
			got = append(got, x.name+"="+strings.Trim(strings.ReplaceAll(fmt.Sprint(v), " ", ","), "[]"))
		}
		if s := strings.Join(got, " "); s != row.want {
			t.Errorf("%s: got %s, want %s", row.what, s, row.want)
		}
	}
}

// TestLegacyViews reads the older format as it was when a storage could be a part of another.
func TestLegacyViews(t *testing.T) {
	view := func(name, key string, offset, n int) string {
		return text(name) + part("("+text("storage")+"ctorch\nHalfStorage\n"+text(key)+text("cpu")+num(6)+"("+text("v")+num(offset)+num(n)+"ttQ", 1, nums(n-1), nums(1))
	}
	file := legacyOf("}("+view("a", "r", 2, 4)+view("b", "r", 0, 2)+"u", "]"+text("r")+"a", "\x06\x00\x00\x00\x00\x00\x00\x00"+"\x00\x3c\x00\x40\x00\x42\x00\x44\x00\x45\x00\x46")
	list, err := openBytes([]byte(file))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range [][]float32{{4, 5, 6}, {2}} {
		if got, err := list[i].floats(0, len(want)); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %v, %v, want %v", list[i].name, got, err, want)
		}
	}
}

// legacyOf is a file of torch.save's older format: pickles without their ends, and storages.
func legacyOf(tensors, keys, storages string) string {
	return "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19." + "\x80\x02M\xe9\x03." + "\x80\x02}(" + text("little_endian") + "\x88u." + tensors + "." + keys + "." + storages
}
