"""Write a trained model as a native checkpoint, and the fixtures the engine is tested with."""
import json
import os

import numpy as np
import torch

import bpe
import nano
import preprocess
import tensorfile


def checkpoint(model, tokenizer, folder, metadata=None):
    """Write config.json, model.safetensors (F32) and tokenizer.json into folder."""
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as f:
        json.dump(model.config, f, indent=1)
        f.write("\n")
    tensors = {n: np.ascontiguousarray(p.detach().cpu().numpy(), dtype=np.float32).reshape(p.shape)
               for n, p in model.named_parameters()}
    tensorfile.write(os.path.join(folder, "model.safetensors"), tensors, metadata)
    tokenizer.save(os.path.join(folder, "tokenizer.json"))


def as_input(images):
    """RGB PIL images -> model input, float32 [n, 3, S, S]."""
    fitted = [preprocess.fit(i, nano.SIZE) for i in images]
    x = preprocess.normalise(np.stack([c for c, _ in fitted]), [b for _, b in fitted])
    return torch.from_numpy(x).permute(0, 3, 1, 2)


@torch.no_grad()
def golden(model, tokenizer, images, path):
    """Write what every module computes for the pictures (RGB PIL images), named "0", "1", ..."""
    ids = torch.tensor([nano.prompt_ids(tokenizer)])
    out = {}
    for i, image in enumerate(images):
        x = as_input([image])
        features = model.vision(x)
        media = model.resampler(features)
        values = {"image": x, "features": features, "visual_tokens": media, "logits": model.read(media, ids)}
        out[f"{i}.ids"] = ids[0].numpy().astype(np.int32)
        out.update({f"{i}.{k}": np.ascontiguousarray(v[0].numpy()) for k, v in values.items()})
    tensorfile.write(path, out)


def expected(model, tokenizer, images, names, truths, path):
    """Write PyTorch's greedy caption of each picture beside the truth; returns how many agree."""
    records = []
    for image, name, truth in zip(images, names, truths):
        ids = model.greedy(as_input([image]), nano.prompt_ids(tokenizer))[0]
        records.append({"file": name, "truth": truth, "caption": tokenizer.decode(ids), "ids": ids})
    with open(path, "w", encoding="utf-8") as f:
        f.write("[\n" + ",\n".join(json.dumps(r) for r in records) + "\n]\n")
    return sum(r["caption"] == r["truth"] and r["ids"][-1] == bpe.EOC for r in records)
