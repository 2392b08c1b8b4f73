"""The commands: a module each, a function each. A new command is a file here and a line in `COMMANDS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from fredfmt.cli.commands.bench import bench
from fredfmt.cli.commands.card import card
from fredfmt.cli.commands.convert import convert
from fredfmt.cli.commands.curve import curve
from fredfmt.cli.commands.diff import diff
from fredfmt.cli.commands.distill import distill
from fredfmt.cli.commands.encode import encode
from fredfmt.cli.commands.evaluate import evaluate
from fredfmt.cli.commands.experts import experts
from fredfmt.cli.commands.export import export
from fredfmt.cli.commands.import_ import import_
from fredfmt.cli.commands.inspect import inspect
from fredfmt.cli.commands.plan import plan
from fredfmt.cli.commands.preview import preview
from fredfmt.cli.commands.pull import pull
from fredfmt.cli.commands.push import push
from fredfmt.cli.commands.report import report
from fredfmt.cli.commands.validate import validate

COMMANDS: Mapping[str, tuple[Callable[..., None], str]] = MappingProxyType(
    {
        "plan": (plan, "Make"),
        "distill": (distill, "Make"),
        "experts": (experts, "Make"),
        "encode": (encode, "Make"),
        "evaluate": (evaluate, "Train"),
        "inspect": (inspect, "Look"),
        "preview": (preview, "Look"),
        "report": (report, "Look"),
        "validate": (validate, "Look"),
        "diff": (diff, "Compare"),
        "curve": (curve, "Compare"),
        "bench": (bench, "Look"),
        "convert": (convert, "Share"),
        "import": (import_, "Share"),
        "export": (export, "Share"),
        "decode": (export, "Share"),
        "card": (card, "Share"),
        "push": (push, "Share"),
        "pull": (pull, "Share"),
    }
)
"""Each command with the panel of the help page it stands in. ``decode`` is another name of ``export``."""
