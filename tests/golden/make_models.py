"""Write the tiny models and their logits that tests/test_checkpoint.c reads.

    pip install torch transformers safetensors
    python3 tests/golden/make_models.py tests/golden

Random weights in bf16, the forward by Hugging Face's transformers in f32 on those values (eager
attention), with its causal mask and, where every position sees all, with a mask of zeros. The
versions that made the committed files stand in each logits.txt.
"""
import json
import pathlib
import re
import sys

import safetensors.torch
import torch
import transformers
from transformers import LlamaConfig, Qwen2Config, Qwen3Config, AutoModelForCausalLM

SHAPE = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
             intermediate_size=48, vocab_size=61, max_position_embeddings=64, eos_token_id=2,
             bos_token_id=1, pad_token_id=0)
N_GREEDY = 16
TOKENS = [5, 17, 60, 3, 3, 41, 9, 22, 58, 13, 30, 7]


def llama():
    scaling = dict(rope_type="llama3", rope_theta=10000.0, factor=8.0, low_freq_factor=1.0,
                   high_freq_factor=4.0, original_max_position_embeddings=16)
    try:  # transformers 5
        return LlamaConfig(**SHAPE, tie_word_embeddings=True, rope_parameters=scaling)
    except TypeError:
        theta = scaling.pop("rope_theta")
        return LlamaConfig(**SHAPE, tie_word_embeddings=True, rope_theta=theta, rope_scaling=scaling)


LLADA = {"self_attn.": "", "input_layernorm": "attn_norm", "post_attention_layernorm": "ff_norm",
         "o_proj": "attn_out", "mlp.gate_proj": "ff_proj", "mlp.up_proj": "up_proj",
         "mlp.down_proj": "ff_out", "model.layers.": "model.transformer.blocks.",
         "model.embed_tokens": "model.transformer.wte", "model.norm": "model.transformer.ln_f",
         "lm_head": "model.transformer.ff_out"}


def rename_as_llada(folder, config):
    """LLaDA's own code is a Llama with other names: of tensors, and of keys in config.json."""
    tensors = safetensors.torch.load_file(folder / "model.safetensors")
    pattern = re.compile("|".join(re.escape(k) for k in LLADA))
    tensors = {pattern.sub(lambda m: LLADA[m[0]], k): v for k, v in tensors.items()}
    safetensors.torch.save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    json.dump({"model_type": "llada", "activation_type": "silu", "d_model": config.hidden_size,
               "n_layers": config.num_hidden_layers, "n_heads": config.num_attention_heads,
               "n_kv_heads": config.num_key_value_heads, "rms_norm_eps": config.rms_norm_eps,
               "mlp_hidden_size": config.intermediate_size, "embedding_size": config.vocab_size,
               "vocab_size": config.vocab_size, "max_sequence_length": 64, "rope_theta": 10000.0,
               "weight_tying": False, "include_bias": False, "mask_token_id": 60},
              open(folder / "config.json", "w"), indent=2)


MODELS = {
    "llama": (llama(), "10MB"),
    "qwen2": (Qwen2Config(**SHAPE, tie_word_embeddings=False), "10MB"),
    "llada": (LlamaConfig(**SHAPE | {"num_key_value_heads": 4}, tie_word_embeddings=False), "10MB"),
    "qwen3": (Qwen3Config(**SHAPE, head_dim=16, tie_word_embeddings=False), "20KB"),
}
out = pathlib.Path(sys.argv[1])
for name, (config, shard) in MODELS.items():
    torch.manual_seed(7)
    config._attn_implementation = "eager"
    model = AutoModelForCausalLM.from_config(config).to(torch.bfloat16)
    with torch.no_grad():
        for key, p in model.named_parameters():  # every part must matter: gains and biases, too
            noise = torch.randn(p.shape)
            p.copy_((1 + 0.2 * noise if "norm" in key else 0.25 * noise).to(torch.bfloat16))
    model.save_pretrained(out / name, max_shard_size=shard)
    (out / name / "generation_config.json").unlink(missing_ok=True)
    # Read again: a model once in bf16 keeps rotation frequencies rounded to it.
    model = AutoModelForCausalLM.from_pretrained(out / name, dtype=torch.float32,
                                                 attn_implementation="eager").eval()
    tokens = torch.tensor([TOKENS])
    with torch.no_grad():
        causal = model(tokens).logits[0]
        zeros = torch.zeros(1, 1, len(TOKENS), len(TOKENS))
        full = model(tokens, attention_mask=zeros).logits[0]
        text = tokens
        for _ in range(N_GREEDY):  # all ids but the last, which is taken for a mask
            best = model(text).logits[0, -1, :-1].argmax()
            text = torch.cat([text, best.view(1, 1)], dim=1)
    with open(out / name / "logits.txt", "w") as f:
        print(f"# torch {torch.__version__}, transformers {transformers.__version__}; "
              f"{len(TOKENS)} tokens, then {len(TOKENS)} x {SHAPE['vocab_size']} logits with a "
              f"causal mask, then with none; {N_GREEDY} tokens follow greedily", file=f)
        print(*TOKENS, file=f)
        for rows in (causal, full):
            for row in rows:
                print(*(f"{v:.9g}" for v in row.tolist()), file=f)
        print(*text[0, len(TOKENS):].tolist(), file=f)
    if name == "llada":
        rename_as_llada(out / name, config)
