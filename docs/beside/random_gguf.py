"""Write a GGUF file of a given shape with random weights, for timing llama.cpp beside this program.

    pip install gguf numpy
    python3 docs/beside/random_gguf.py FILE [--arch llama|llada] [--dtype bf16|f16|f32]
        [--layers 16] [--d-model 2048] [--heads 32] [--kv-heads 4] [--d-ff 5632] [--vocab 32000]

The default is `-m tinyllama-1.1b --layers 16`: 0.83 B parameters. The vocabulary is made up: three special
tokens, 256 bytes and fillers; the mask token of arch llada is its last row. Text means nothing;
times do not depend on it. `llama-quantize FILE OUT q8_0` makes the int8 rival.
"""
import argparse

import gguf
import numpy as np

p = argparse.ArgumentParser()
p.add_argument("file")
p.add_argument("--arch", choices=("llama", "llada"), default="llama")
p.add_argument("--dtype", choices=("bf16", "f16", "f32"), default="bf16")
for flag, value in (("layers", 16), ("d-model", 2048), ("heads", 32), ("kv-heads", 4),
                    ("d-ff", 5632), ("vocab", 32000)):
    p.add_argument("--" + flag, type=int, default=value)
a = p.parse_args()

KIND = {"bf16": gguf.GGMLQuantizationType.BF16, "f16": gguf.GGMLQuantizationType.F16,
        "f32": gguf.GGMLQuantizationType.F32}[a.dtype]
FILE_TYPE = {"bf16": gguf.LlamaFileType.MOSTLY_BF16, "f16": gguf.LlamaFileType.MOSTLY_F16,
             "f32": gguf.LlamaFileType.ALL_F32}[a.dtype]
d_head = a.d_model // a.heads
rng = np.random.default_rng(1)
w = gguf.GGUFWriter(a.file, a.arch)
w.add_context_length(4096)
w.add_embedding_length(a.d_model)
w.add_block_count(a.layers)
w.add_feed_forward_length(a.d_ff)
w.add_head_count(a.heads)
w.add_head_count_kv(a.kv_heads)
w.add_layer_norm_rms_eps(1e-5)
w.add_rope_dimension_count(d_head)
w.add_rope_freq_base(10000.0)
w.add_vocab_size(a.vocab)
w.add_file_type(FILE_TYPE)

w.add_tokenizer_model("llama")
tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
tokens += [f"t{i}" for i in range(len(tokens), a.vocab)]
T = gguf.TokenType
types = [T.UNKNOWN, T.CONTROL, T.CONTROL] + 256 * [T.BYTE] + (a.vocab - 259) * [T.NORMAL]
w.add_token_list(tokens)
w.add_token_scores([0.0] * a.vocab)
w.add_token_types(types)
w.add_bos_token_id(1)
w.add_eos_token_id(2)
if a.arch == "llada":
    w.add_causal_attention(False)
    w.add_diffusion_shift_logits(False)
    w.add_mask_token_id(a.vocab - 1)


def matrix(name, rows, columns):
    x = rng.standard_normal((rows, columns), dtype=np.float32) * np.float32(0.02)
    if KIND == gguf.GGMLQuantizationType.F32:
        w.add_tensor(name, x)
    else:
        w.add_tensor(name, gguf.quants.quantize(x, KIND), raw_dtype=KIND)


def gains(name):
    w.add_tensor(name, np.ones(a.d_model, dtype=np.float32))


kv = a.kv_heads * d_head
matrix("token_embd.weight", a.vocab, a.d_model)
matrix("output.weight", a.vocab, a.d_model)
gains("output_norm.weight")
for i in range(a.layers):
    gains(f"blk.{i}.attn_norm.weight")
    gains(f"blk.{i}.ffn_norm.weight")
    for part, rows, columns in (("attn_q", a.d_model, a.d_model), ("attn_k", kv, a.d_model),
                                ("attn_v", kv, a.d_model), ("attn_output", a.d_model, a.d_model),
                                ("ffn_gate", a.d_ff, a.d_model), ("ffn_up", a.d_ff, a.d_model),
                                ("ffn_down", a.d_model, a.d_ff)):
        matrix(f"blk.{i}.{part}.weight", rows, columns)
w.write_header_to_file()
w.write_kv_data_to_file()
w.write_tensors_to_file()
w.close()
