"""Read and write safetensors files: an 8-byte little-endian header length, a JSON header
with each tensor's dtype, shape and byte range, then the bytes."""
import json
import struct

import numpy as np

DTYPES = {"F32": np.dtype("<f4"), "I32": np.dtype("<i4")}


def write(path, tensors, metadata=None):
    """Write {name: numpy array (float32 or int32)} in the given order."""
    header, offset, blobs = {}, 0, []
    if metadata:
        header["__metadata__"] = {k: str(v) for k, v in metadata.items()}
    for name, array in tensors.items():
        kind = next((k for k, d in DTYPES.items() if d == array.dtype), None)
        if kind is None:
            raise ValueError(f"tensorfile: write: {name}: got dtype {array.dtype}, want float32 or int32")
        blob = array.tobytes()
        header[name] = {"dtype": kind, "shape": list(array.shape),
                        "data_offsets": [offset, offset + len(blob)]}
        offset += len(blob)
        blobs.append(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        f.writelines(blobs)


def read(path):
    """Read a file of F32 and I32 tensors: {name: numpy array}."""
    with open(path, "rb") as f:
        data = f.read()
    start = 8 + struct.unpack("<Q", data[:8])[0]
    out = {}
    for name, e in json.loads(data[8:start]).items():
        if name == "__metadata__":
            continue
        if e["dtype"] not in DTYPES:
            raise ValueError(f"tensorfile: read: {path}: {name}: got dtype {e['dtype']}, want F32 or I32")
        a, b = e["data_offsets"]
        out[name] = np.frombuffer(data[start + a:start + b], DTYPES[e["dtype"]]).reshape(e["shape"])
    return out
