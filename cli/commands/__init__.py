"""The commands: one module per command, with a function of the same name.

To add a command, add a module to this package and a line to `COMMANDS`. A module is imported only to run its command or
to show its help, so the text for the list of commands is in that line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType


@dataclass(frozen=True)
class Command:
    """A command before its module is imported."""

    function: str
    """The name of its module and of the function in it."""
    panel: str
    """Its panel on the help page that lists all commands."""
    help: str
    """Its description on that page."""

    def load(self) -> Callable[..., None]:
        """The function."""
        found: Callable[..., None] = getattr(import_module(f"{__name__}.{self.function}"), self.function)
        return found


COMMANDS: Mapping[str, Command] = MappingProxyType(
    {
        "plan": Command("plan", "Make", "Show the choices within a budget: k, step and number of instances."),
        "distill": Command("distill", "Make", "Distill a dataset into a small file for training."),
        "experts": Command("experts", "Make", "Train experts for trajectory matching."),
        "encode": Command("encode", "Make", "Encode real images: the best k frequencies of each, quantized."),
        "evaluate": Command("evaluate", "Train", "Train new networks on a file and test them on real images."),
        "inspect": Command("inspect", "Look", "Verify a file, and show its content, size and origin."),
        "preview": Command("preview", "Look", "Draw a picture: a contact sheet, masks, spectra and more."),
        "report": Command("report", "Look", "Write one HTML page that contains the file and shows it."),
        "validate": Command("validate", "Look", "Check files against every rule of the format."),
        "bench": Command("bench", "Look", "Measure the speed of loading and decoding on this machine."),
        "diff": Command("diff", "Compare", "Show the differences between two files."),
        "curve": Command("curve", "Compare", "Draw accuracy against bits per class."),
        "convert": Command("convert", "Share", "Copy a file into another container, without loss."),
        "import": Command("import_", "Share", "Import files of other projects. No code in a file is executed."),
        "export": Command("export", "Share", "Write a file in the form of another program or project."),
        "decode": Command("decode", "Share", "Decode a file to ordinary image files."),
        "card": Command("card", "Share", "Write a data card, Croissant metadata, a citation and a preview."),
        "push": Command("push", "Share", "Upload a file to a dataset repository of the Hugging Face Hub."),
        "pull": Command("pull", "Share", "Copy a file from an address and verify it."),
    }
)
