"""Write laion_clap_keys.txt: what laion_clap's own model holds, key by key, for two architectures.

    python tests/data/make_laion_clap_keys.py

Needs laion_clap 1.1.7 with its dependencies, and transformers; no network: RoBERTa is made, not fetched.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import transformers
from torch import nn

MODELS = (("HTSAT-tiny", True), ("HTSAT-base", False))


def make_roberta(*_: Any) -> Any:
    config = transformers.RobertaConfig(
        vocab_size=50265, max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5
    )
    return transformers.RobertaModel(config)


def load_clap() -> tuple[Any, Path]:
    """laion_clap's model module without the package's `__init__`, which fetches tokenizers."""
    spec = importlib.util.find_spec("laion_clap")
    assert spec
    assert spec.submodule_search_locations
    package = Path(spec.submodule_search_locations[0])
    transformers.RobertaModel.from_pretrained = make_roberta
    _ = transformers.BertModel, transformers.BartModel
    for name, folder in (("laion_clap", package), ("laion_clap.clap_module", package / "clap_module")):
        sys.modules[name] = ModuleType(name)
        sys.modules[name].__path__ = [str(folder)]
    for name in ("torchvision", "torchvision.ops", "torchvision.ops.misc", "h5py"):
        sys.modules[name] = ModuleType(name)
    sys.modules["torchvision.ops.misc"].FrozenBatchNorm2d = nn.BatchNorm2d  # type: ignore[attr-defined]
    return importlib.import_module("laion_clap.clap_module.model"), package / "clap_module" / "model_configs"


def main() -> None:
    module, configs = load_clap()
    lines = []
    for name, has_fusion in MODELS:
        config = json.loads((configs / f"{name}.json").read_text())
        text = {**config["text_cfg"], "model_type": "roberta"}
        fusion = "aff_2d" if has_fusion else "None"
        model = module.CLAP(
            config["embed_dim"], config["audio_cfg"], text, enable_fusion=has_fusion, fusion_type=fusion
        )
        lines.append(f"# {name}{' fusion' if has_fusion else ''}")
        for key, tensor in model.state_dict().items():
            dtype = str(tensor.dtype).removeprefix("torch.")
            lines.append(f"{key} {dtype} {'x'.join(map(str, tensor.shape))}".rstrip())
    Path(__file__).with_name("laion_clap_keys.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
