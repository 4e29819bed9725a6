"""Make models of random weights that vLLM serves as it does large ones: config, weights, tokenizer, template.

Runs in vLLM's environment (`models` starts it). Request: the folder to write to, by the kind of the model.
Answer: the size of a hidden state, by the kind.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    PreTrainedTokenizerFast,
)

CONTEXT = 65536
"""Tokens; longer than any context that the examples ask for."""
TEMPLATE = """
{%- for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}
{%- if enable_thinking is false %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}{% endif %}
"""
"""As of the Qwen3 family: a request may switch reasoning off."""
CHAT_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "yes", "no"]
TAGS = ["<think>", "</think>", "<tool_call>", "</tool_call>"]
"""What parsers of reasoning and of tool calls look for."""
SENTENCE_TOKENS = ["<s>", "<pad>", "</s>", "<unk>"]
SIZES = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}


def chat(folder: Path) -> int:
    """Write a language model of the Qwen3 family."""
    tokenizer = _tokenizer([*CHAT_TOKENS, *TAGS])
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        model_max_length=CONTEXT,
    )
    wrapped.chat_template = TEMPLATE.strip()
    config = AutoConfig.for_model(
        "qwen3",
        **SIZES,
        num_key_value_heads=1,
        head_dim=32,
        vocab_size=len(wrapped),
        max_position_embeddings=CONTEXT,
        eos_token_id=wrapped.eos_token_id,
        tie_word_embeddings=True,
    )
    return _write(AutoModelForCausalLM.from_config(config), wrapped, folder)


def sentence(folder: Path) -> int:
    """Write an encoder of the XLM-RoBERTa family, as embedding models are."""
    tokenizer = _tokenizer(SENTENCE_TOKENS)
    ends = [(token, tokenizer.token_to_id(token)) for token in ("<s>", "</s>")]
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        model_max_length=CONTEXT,
    )
    config = AutoConfig.for_model(
        "xlm-roberta",
        **SIZES,
        vocab_size=len(wrapped),
        # Positions begin after the padding's.
        max_position_embeddings=CONTEXT + 2,
        pad_token_id=wrapped.pad_token_id,
        # Published configs of the family say it, and vLLM reads it.
        position_embedding_type="absolute",
        type_vocab_size=1,
    )
    return _write(AutoModel.from_config(config), wrapped, folder)


def _tokenizer(special: list[str]) -> Any:
    """Return a tokenizer of single bytes, each a token, after the special tokens."""
    words = [*special, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE(vocab={word: number for number, word in enumerate(words)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(special)
    return tokenizer


def _write(model: Any, tokenizer: Any, folder: Path) -> int:
    model.to(torch.bfloat16).save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)
    return int(model.config.hidden_size)


def main() -> None:
    """Read the request, write the models and the answer."""
    torch.manual_seed(0)
    request, answer = map(Path, sys.argv[1:])
    makers = {"chat": chat, "sentence": sentence}
    wanted = json.loads(request.read_text())
    answer.write_text(json.dumps({kind: makers[kind](Path(folder)) for kind, folder in wanted.items()}))


if __name__ == "__main__":
    main()
