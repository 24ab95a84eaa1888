"""The resamplers, cross-attention blocks and CLIP towers that fixtures are made of."""
import numpy as np


def resampler_tensors(draw, c):
    dim, inner = c["dim"], c["heads"] * c["headDim"]
    draw.embedding("latents", c["latents"], dim)
    if c["frames"]:
        draw.embedding("time", c["frames"], dim)
    if c["inputDim"] != dim:
        draw.linear("project", dim, c["inputDim"], bias=True)
    for i in range(c["depth"]):
        at = draw.at(f"layers.{i}.")
        at.norm("norm_media", dim)
        at.norm("norm_latents", dim)
        attention_tensors(at, dim, dim, inner)
        feed_forward_tensors(at, dim, c["hidden"])
    draw.norm("norm", dim)


def xattn_tensors(draw, c, dim, media_dim):
    draw.norm("norm", dim)
    if c["normMedia"]:
        draw.norm("norm_media", media_dim)
    attention_tensors(draw, dim, media_dim, c["heads"] * c["headDim"])
    feed_forward_tensors(draw, dim, c["hidden"])
    draw.put("attn_gate", np.array([0.8], np.float32))
    draw.put("ff_gate", np.array([-0.6], np.float32))


def attention_tensors(draw, dim, media_dim, inner):
    draw.linear("q", inner, dim)
    draw.linear("kv", 2 * inner, media_dim)
    draw.linear("out", dim, inner)


def feed_forward_tensors(draw, dim, hidden):
    draw.norm("ff_norm", dim)
    draw.linear("up", hidden, dim)
    draw.linear("down", dim, hidden)


# name: config, visual tokens V per frame, numbers of frames. OpenFlamingo has no temporal
# embeddings and was trained on one frame; more of them are well defined.
RESAMPLERS = {
    "resampler-paper": ({"inputDim": 96, "dim": 64, "depth": 2, "heads": 2, "headDim": 24, "latents": 7,
                         "hidden": 128, "activation": "squared_relu", "frames": 8, "temporal": "interpolate"},
                        5, (1, 7, 8, 9, 30)),
    "resampler-openflamingo": ({"inputDim": 64, "dim": 64, "depth": 2, "heads": 4, "headDim": 16, "latents": 6,
                                "hidden": 160, "activation": "gelu", "frames": 0},
                               9, (1, 2, 3)),
    "resampler-mini": ({"inputDim": 64, "dim": 64, "depth": 2, "heads": 2, "headDim": 32, "latents": 8,
                        "hidden": 128, "activation": "squared_relu", "frames": 4, "temporal": "first"},
                       10, (1, 2, 3, 4)),
}

# name: config, D, Dv, visual tokens R per picture, phi.
XATTNS = {
    "xattn-paper": ({"every": 1, "placement": "paper", "heads": 2, "headDim": 24, "hidden": 256,
                     "activation": "squared_relu", "normMedia": True},
                    64, 32, 5, (0, 0, 1, 1, 1, 2, 2, 3, 3, 3, 3)),
    "xattn-openflamingo": ({"every": 2, "placement": "openflamingo", "heads": 4, "headDim": 16, "hidden": 256,
                            "activation": "gelu", "normMedia": False},
                           64, 96, 6, (0, 1, 1, 1, 2, 2, 2, 2, 3, 3)),
    "xattn-mini": ({"every": 1, "placement": "paper", "heads": 2, "headDim": 32, "hidden": 256,
                    "activation": "squared_relu", "normMedia": False},
                   64, 64, 7, (0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3)),
}

CLIP = {
    "architectures": ["CLIPModel"], "model_type": "clip", "logit_scale_init_value": 2.6592,
    "projection_dim": 32,
    "text_config": {"model_type": "clip_text_model", "hidden_act": "quick_gelu", "hidden_size": 32,
                    "intermediate_size": 64, "layer_norm_eps": 1e-05, "max_position_embeddings": 7,
                    "num_attention_heads": 2, "num_hidden_layers": 1, "projection_dim": 32, "vocab_size": 40},
    "vision_config": {"model_type": "clip_vision_model", "hidden_act": "quick_gelu", "hidden_size": 64,
                      "image_size": 30, "intermediate_size": 160, "layer_norm_eps": 1e-05,
                      "num_attention_heads": 4, "num_channels": 3, "num_hidden_layers": 2, "patch_size": 6,
                      "projection_dim": 32},
    "torch_dtype": "float32",
}


def clip_tensors(draw, c):
    """The vision tower, and of the text tower enough to show that it is ignored."""
    vision, text = c["vision_config"], c["text_config"]
    dim, hidden, size = vision["hidden_size"], vision["intermediate_size"], vision["patch_size"]
    positions = (vision["image_size"] // size) ** 2 + 1
    at = draw.at("vision_model.")
    at.scaled("embeddings.class_embedding", 0.5, dim)
    at.scaled("embeddings.patch_embedding.weight", 1.5 / np.sqrt(3 * size * size), dim, 3, size, size)
    at.embedding("embeddings.position_embedding.weight", positions, dim)
    # Old versions of transformers saved this buffer and the text tower's; OpenAI's files have them.
    at.put("embeddings.position_ids", np.arange(positions)[None])
    at.norm("pre_layrnorm", dim)
    for i in range(vision["num_hidden_layers"]):
        layer = at.at(f"encoder.layers.{i}.")
        layer.norm("layer_norm1", dim)
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            layer.linear("self_attn." + name, dim, dim, bias=True)
        layer.norm("layer_norm2", dim)
        layer.linear("mlp.fc1", hidden, dim, bias=True)
        layer.linear("mlp.fc2", dim, hidden, bias=True)
    at.norm("post_layernorm", dim)
    draw.linear("visual_projection", c["projection_dim"], dim)
    at = draw.at("text_model.")
    at.embedding("embeddings.token_embedding.weight", text["vocab_size"], text["hidden_size"])
    at.put("embeddings.position_ids", np.arange(text["max_position_embeddings"])[None])
    at.norm("final_layer_norm", text["hidden_size"])
    draw.linear("text_projection", c["projection_dim"], text["hidden_size"])
    draw.put("logit_scale", np.array(2.6592, np.float32))
