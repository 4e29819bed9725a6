"""What vLLM makes of a model's config.json.

Request: a list of reports' `config`. Answer: for each whether vLLM compresses the cache of MLA keys, the size of a
head and the key-value heads that it caches; and the names of vLLM's modules of models.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

# Before the converter: the two import each other.
import vllm.config
from vllm.transformers_utils import model_arch_config_convertor as converters

REQUEST, ANSWER = map(Path, sys.argv[1:])


def made_of(config: dict[str, Any]) -> dict[str, Any]:
    """Return what vLLM reads in the keys of a config.json."""
    keys = SimpleNamespace(name_or_path="", **config)
    known = converters.MODEL_ARCH_CONFIG_CONVERTORS
    converter = known.get(keys.model_type, converters.ModelArchConfigConvertorBase)(keys, keys)
    return {
        "compresses": converter.is_deepseek_mla(),
        "head_size": converter.get_head_size(),
        "kv_heads": converter.get_total_num_kv_heads(),
    }


folder = Path(str(vllm.config.__file__)).parent.parent
homes = (folder / "model_executor" / "models", folder / "models")
answer = {
    "made": [made_of(config) for config in json.loads(REQUEST.read_text())],
    "modules": sorted({path.stem for home in homes for path in home.iterdir()}),
}
ANSWER.write_text(json.dumps(answer))
