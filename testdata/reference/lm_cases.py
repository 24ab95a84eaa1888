"""The language models that fixtures are made of: config.json with the keys of the real releases,
tiny sizes, and a checkpoint's tensors with upstream's names."""
import numpy as np

import lm

POSITIONS = 32


def mosaic_gpt(**sizes):
    return {"architectures": ["MosaicGPT"], "model_type": "mosaic_gpt", **sizes, "mlp_ratio": 2,
            "max_seq_len": POSITIONS, "alibi": True, "alibi_bias_max": 8, "attn_qk_ln": True, "no_bias": True,
            "low_precision_layernorm": True, "attn_impl": "torch", "attn_clip_qkv": None,
            "softmax_scale": None, "logit_scale": None, "embedding_fraction": 1.0, "attn_pdrop": 0,
            "emb_pdrop": 0, "resid_pdrop": 0}


def mpt(**sizes):
    attn = {"alibi": True, "alibi_bias_max": 8, "attn_impl": "torch", "attn_pdrop": 0,
            "attn_type": "multihead_attention", "attn_uses_sequence_id": False, "clip_qkv": None,
            "prefix_lm": False, "qk_ln": False, "softmax_scale": None}
    return {"architectures": ["MPTForCausalLM"], "model_type": "mpt", **sizes, "max_seq_len": POSITIONS,
            "attn_config": attn, "no_bias": True, "learned_pos_emb": True,
            "norm_type": "low_precision_layernorm", "embedding_fraction": 1.0, "logit_scale": None,
            "emb_pdrop": 0, "resid_pdrop": 0, "tokenizer_name": "EleutherAI/gpt-neox-20b",
            "torch_dtype": "float32", "use_cache": False}


def gpt_neox(**sizes):
    return {"architectures": ["GPTNeoXForCausalLM"], "model_type": "gpt_neox", **sizes, "bos_token_id": 0,
            "eos_token_id": 0, "hidden_act": "gelu", "initializer_range": 0.02, "layer_norm_eps": 1e-05,
            "max_position_embeddings": POSITIONS, "rotary_emb_base": 10000, "tie_word_embeddings": False,
            "torch_dtype": "float32", "use_cache": True}


def opt(**sizes):
    return {"architectures": ["OPTForCausalLM"], "model_type": "opt", **sizes, "activation_dropout": 0.0,
            "activation_function": "relu", "attention_dropout": 0.0, "bos_token_id": 2, "dropout": 0.1,
            "eos_token_id": 2, "init_std": 0.02, "layerdrop": 0.0, "max_position_embeddings": POSITIONS,
            "pad_token_id": 1, "prefix": "</s>", "torch_dtype": "float32", "use_cache": True}


def llama(**sizes):
    return {"architectures": ["LlamaForCausalLM"], "model_type": "llama", **sizes, "attention_bias": False,
            "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu", "initializer_range": 0.02,
            "max_position_embeddings": POSITIONS, "pretraining_tp": 1, "rope_scaling": None,
            "torch_dtype": "float32", "use_cache": True}


def chinchilla(**sizes):
    return {"model_type": "chinchilla", **sizes, "max_position_embeddings": POSITIONS, "rms_norm_eps": 1e-06}


def mpt_tensors(draw, c, family):
    dim, names = c["d_model"], family.names
    hidden = dim * c.get("expansion_ratio", c.get("mlp_ratio"))
    draw = draw.at("transformer.")
    draw.embedding("wte.weight", c["vocab_size"], dim)
    for i in range(c["n_layers"]):
        at = draw.at(f"blocks.{i}.")
        at.norm(names["norm1"], dim, bias=False)
        at.linear("attn.Wqkv", 3 * dim, dim)
        if family.qk_norm:
            at.norm("attn.q_ln", dim, bias=False)
            at.norm("attn.k_ln", dim, bias=False)
        at.linear("attn.out_proj", dim, dim)
        at.norm(names["norm2"], dim, bias=False)
        at.linear(names["up"], hidden, dim)
        at.linear(names["down"], dim, hidden)
    draw.norm(names["norm"], dim, bias=False)


def neox_tensors(draw, c, mask_dtype):
    dim, hidden, n = c["hidden_size"], c["intermediate_size"], c["max_position_embeddings"]
    draw.embedding("gpt_neox.embed_in.weight", c["vocab_size"], dim)
    for i in range(c["num_hidden_layers"]):
        at = draw.at(f"gpt_neox.layers.{i}.")
        at.norm("input_layernorm", dim)
        at.linear("attention.query_key_value", 3 * dim, dim, bias=True)
        at.linear("attention.dense", dim, dim, bias=True)
        at.norm("post_attention_layernorm", dim)
        at.linear("mlp.dense_h_to_4h", hidden, dim, bias=True)
        at.linear("mlp.dense_4h_to_h", dim, hidden, bias=True)
        # Old versions of transformers saved these buffers; they are in the released files.
        at.put("attention.bias", np.tril(np.ones((1, 1, n, n))).astype(mask_dtype))
        at.put("attention.masked_bias", np.array(-1e9, np.float32))
        rotated = int(dim // c["num_attention_heads"] * c["rotary_pct"])
        at.put("attention.rotary_emb.inv_freq", inverse_frequencies(c["rotary_emb_base"], rotated))
    draw.norm("gpt_neox.final_layer_norm", dim)
    draw.linear("embed_out", c["vocab_size"], dim)


def inverse_frequencies(base, dims):
    return (base ** (-np.arange(0, dims, 2) / dims)).astype(np.float32)


def opt_tensors(draw, c):
    dim, hidden, narrow = c["hidden_size"], c["ffn_dim"], c["word_embed_proj_dim"]
    draw = draw.at("model.decoder.")
    draw.embedding("embed_tokens.weight", c["vocab_size"], narrow)
    draw.embedding("embed_positions.weight", c["max_position_embeddings"] + 2, dim)
    if narrow != dim:
        draw.linear("project_in", dim, narrow)
        draw.linear("project_out", narrow, dim)
    for i in range(c["num_hidden_layers"]):
        at = draw.at(f"layers.{i}.")
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            at.linear("self_attn." + name, dim, dim, bias=True)
        at.norm("self_attn_layer_norm", dim)
        at.linear("fc1", hidden, dim, bias=True)
        at.linear("fc2", dim, hidden, bias=True)
        at.norm("final_layer_norm", dim)
    if c["do_layer_norm_before"]:
        draw.norm("final_layer_norm", dim)


def llama_tensors(draw, c, stray_buffer):
    dim, hidden = c["hidden_size"], c["intermediate_size"]
    head = dim // c["num_attention_heads"]
    draw.embedding("model.embed_tokens.weight", c["vocab_size"], dim)
    for i in range(c["num_hidden_layers"]):
        at = draw.at(f"model.layers.{i}.")
        at.norm("input_layernorm", dim, bias=False)
        at.linear("self_attn.q_proj", dim, dim)
        at.linear("self_attn.k_proj", c["num_key_value_heads"] * head, dim)
        at.linear("self_attn.v_proj", c["num_key_value_heads"] * head, dim)
        at.linear("self_attn.o_proj", dim, dim)
        at.norm("post_attention_layernorm", dim, bias=False)
        at.linear("mlp.gate_proj", hidden, dim)
        at.linear("mlp.up_proj", hidden, dim)
        at.linear("mlp.down_proj", dim, hidden)
        if stray_buffer:
            at.put("self_attn.rotary_emb.inv_freq", inverse_frequencies(c["rope_theta"], head))
    draw.norm("model.norm", dim, bias=False)
    if not c["tie_word_embeddings"]:
        draw.linear("lm_head", c["vocab_size"], dim)


def chinchilla_tensors(draw, c):
    dim, hidden = c["hidden_size"], c["intermediate_size"]
    draw.embedding("embed.weight", c["vocab_size"], dim)
    for i in range(c["num_hidden_layers"]):
        at = draw.at(f"blocks.{i}.")
        at.norm("norm1", dim, bias=False)
        at.linear("qkv", 3 * dim, dim)
        at.linear("relative", dim, dim)
        at.scaled("relative_u", 0.5, dim)
        at.scaled("relative_v", 0.5, dim)
        at.linear("out", dim, dim)
        at.norm("norm2", dim, bias=False)
        at.linear("up", hidden, dim)
        at.linear("down", dim, hidden)
    draw.norm("norm", dim, bias=False)


# name: family, config, what draws its tensors and with which further arguments.
CASES = {
    "mpt1b": (lm.MosaicGPT, mosaic_gpt(d_model=64, n_heads=4, n_layers=2, vocab_size=101),
              mpt_tensors, lm.MosaicGPT),
    "mpt7b": (lm.MPT, mpt(d_model=64, n_heads=8, n_layers=2, expansion_ratio=2, vocab_size=128),
              mpt_tensors, lm.MPT),
    "mpt7b-6heads": (lm.MPT, mpt(d_model=48, n_heads=6, n_layers=2, expansion_ratio=4, vocab_size=97),
                     mpt_tensors, lm.MPT),
    "neox-sequential": (lm.GPTNeoX, gpt_neox(hidden_size=64, num_attention_heads=4, num_hidden_layers=2,
                                             intermediate_size=160, vocab_size=99, rotary_pct=1.0,
                                             use_parallel_residual=False),
                        neox_tensors, bool),
    "neox-parallel": (lm.GPTNeoX, gpt_neox(hidden_size=64, num_attention_heads=2, num_hidden_layers=2,
                                           intermediate_size=128, vocab_size=160, rotary_pct=0.25,
                                           use_parallel_residual=True),
                      neox_tensors, np.uint8),
    "opt": (lm.OPT, opt(hidden_size=64, num_attention_heads=4, num_hidden_layers=2, ffn_dim=192,
                        word_embed_proj_dim=64, vocab_size=103, do_layer_norm_before=True,
                        _remove_final_layer_norm=False),
            opt_tensors),
    "opt-350m": (lm.OPT, opt(hidden_size=64, num_attention_heads=4, num_hidden_layers=2, ffn_dim=160,
                             word_embed_proj_dim=32, vocab_size=109, do_layer_norm_before=False),
                 opt_tensors),
    "llama": (lm.LLaMA, llama(hidden_size=64, num_attention_heads=4, num_key_value_heads=4,
                              num_hidden_layers=2, intermediate_size=96, vocab_size=107, rms_norm_eps=1e-06,
                              rope_theta=10000.0, tie_word_embeddings=False),
              llama_tensors, True),
    "llama-gqa": (lm.LLaMA, llama(hidden_size=64, num_attention_heads=4, num_key_value_heads=2,
                                  num_hidden_layers=2, intermediate_size=128, vocab_size=131,
                                  rms_norm_eps=1e-05, rope_theta=500000.0, head_dim=16, mlp_bias=False,
                                  tie_word_embeddings=True),
                  llama_tensors, False),
    "chinchilla": (lm.Chinchilla, chinchilla(hidden_size=32, num_attention_heads=4, num_hidden_layers=3,
                                             intermediate_size=128, vocab_size=113),
                   chinchilla_tensors),
}
