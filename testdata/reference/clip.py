"""CLIP's image tower (Radford et al. 2021, arXiv 2103.00020), float64 numpy, with Hugging Face's
names and config.json (transformers' modeling_clip)."""
import numpy as np

from nn import attention, dot_scores, layer_norm, linear, merge_heads, quick_gelu, split_heads


def image_tower(w, config, image):
    """image [3, H, W], normalised -> (tokens [V, D] without the class token and class [D], both
    before post_layernorm, embedding [P] of length 1)."""
    c = config["vision_config"]

    def lin(name, x):
        return linear(x, w[name + ".weight"], w[name + ".bias"])

    def norm(name, x):
        return layer_norm(x, w[name + ".weight"], w[name + ".bias"], c["layer_norm_eps"])

    size, grid = c["patch_size"], c["image_size"] // c["patch_size"]
    patches = image.reshape(3, grid, size, grid, size).transpose(1, 3, 0, 2, 4).reshape(grid * grid, -1)
    at = "vision_model.embeddings."
    x = linear(patches, w[at + "patch_embedding.weight"].reshape(c["hidden_size"], -1))
    x = np.concatenate([w[at + "class_embedding"][None], x]) + w[at + "position_embedding.weight"]
    x = norm("vision_model.pre_layrnorm", x)
    for i in range(c["num_hidden_layers"]):
        at = f"vision_model.encoder.layers.{i}."
        y = norm(at + "layer_norm1", x)
        q, k, v = (split_heads(lin(at + f"self_attn.{n}_proj", y), c["num_attention_heads"]) for n in "qkv")
        x = x + lin(at + "self_attn.out_proj", merge_heads(attention(dot_scores(q, k), v)))
        x = x + lin(at + "mlp.fc2", quick_gelu(lin(at + "mlp.fc1", norm(at + "layer_norm2", x))))
    e = linear(norm("vision_model.post_layernorm", x[0]), w["visual_projection.weight"])
    return x[1:], x[0], e / np.linalg.norm(e)
