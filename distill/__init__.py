"""fredfmt.distill: distils a dataset into a few synthetic images per class.

`distill` makes a `FreDData` from a source of real images and a `DistillConfig`; `evaluate` and `compare` measure how
well networks train on it. All names are imported when they are first used, most of them with torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fredfmt.distill.runtime.progress import Progress

if TYPE_CHECKING:
    from fredfmt.distill.choosing import Chosen, choose
    from fredfmt.distill.choosing.planning import Choice, plan
    from fredfmt.distill.config import DistillConfig
    from fredfmt.distill.distilling import DistillationStopped, distill
    from fredfmt.distill.evaluation.baselines import coded_images, own_start
    from fredfmt.distill.evaluation.comparison import Row, compare
    from fredfmt.distill.evaluation.protocol import evaluate
    from fredfmt.distill.evaluation.results import Evaluation, Robustness
    from fredfmt.distill.evaluation.scores import Scores, score
    from fredfmt.distill.evaluation.settings import CorruptionConfig, EvaluationConfig
    from fredfmt.distill.experts.settings import ExpertConfig
    from fredfmt.distill.experts.store import Experts
    from fredfmt.distill.experts.training import ExpertsStopped, train_experts
    from fredfmt.distill.networks import NetworkConfig
    from fredfmt.distill.networks.saved import TrainedNetwork, load_network
    from fredfmt.distill.run import DivergenceError
    from fredfmt.distill.synset import FrequencySynset

__all__ = [
    "Choice",
    "Chosen",
    "CorruptionConfig",
    "DistillConfig",
    "DistillationStopped",
    "DivergenceError",
    "Evaluation",
    "EvaluationConfig",
    "ExpertConfig",
    "Experts",
    "ExpertsStopped",
    "FrequencySynset",
    "NetworkConfig",
    "Progress",
    "Robustness",
    "Row",
    "Scores",
    "TrainedNetwork",
    "choose",
    "coded_images",
    "compare",
    "distill",
    "evaluate",
    "load_network",
    "own_start",
    "plan",
    "score",
    "train_experts",
]

_LAZY = {
    "Choice": "choosing.planning",
    "Chosen": "choosing",
    "CorruptionConfig": "evaluation.settings",
    "DistillConfig": "config",
    "DistillationStopped": "distilling",
    "DivergenceError": "run",
    "Evaluation": "evaluation.results",
    "EvaluationConfig": "evaluation.settings",
    "ExpertConfig": "experts.settings",
    "Experts": "experts.store",
    "ExpertsStopped": "experts.training",
    "FrequencySynset": "synset",
    "NetworkConfig": "networks",
    "Robustness": "evaluation.results",
    "Row": "evaluation.comparison",
    "Scores": "evaluation.scores",
    "TrainedNetwork": "networks.saved",
    "choose": "choosing",
    "coded_images": "evaluation.baselines",
    "compare": "evaluation.comparison",
    "distill": "distilling",
    "evaluate": "evaluation.protocol",
    "load_network": "networks.saved",
    "own_start": "evaluation.baselines",
    "plan": "choosing.planning",
    "score": "evaluation.scores",
    "train_experts": "experts.training",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        value = getattr(import_module(f"fredfmt.distill.{_LAZY[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'fredfmt.distill' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
