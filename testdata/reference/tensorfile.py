"""Write safetensors files: an 8-byte little-endian header length, a JSON header with each
tensor's dtype, shape and byte range, padded with spaces to 8 bytes, then the bytes."""
import json
import struct

import numpy as np

DTYPES = {"float32": "F32", "int32": "I32", "int64": "I64", "uint8": "U8", "bool": "BOOL"}


def write(path, tensors):
    """Write {name: array} sorted by name."""
    header, offset = {}, 0
    for name in sorted(tensors):
        array = tensors[name]
        if array.dtype.name not in DTYPES:
            raise TypeError(f"tensorfile: write: {path}: {name}: got dtype {array.dtype}, "
                            f"want one of {', '.join(DTYPES)}")
        header[name] = {"dtype": DTYPES[array.dtype.name], "shape": list(array.shape),
                        "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for name in header:
            f.write(tensors[name].astype(tensors[name].dtype.newbyteorder("<")).tobytes())


def rounded(tensors):
    """{name: float64 or integer array} as F32 and I32, what expectations are stored in."""
    return {name: np.asarray(a, np.int32 if np.asarray(a).dtype.kind == "i" else np.float32)
            for name, a in tensors.items()}
