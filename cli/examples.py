"""The examples at the end of each command's help page: command lines and what they do."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

EXAMPLES: Mapping[str, tuple[tuple[str, str], ...]] = MappingProxyType(
    {
        "plan": (
            ("plan digits --bytes 5000", "layouts that fit into 5 kB"),
            ("plan cifar10 --ipc 1 --k 64 --k 128", "the budget used in papers, with two values of k"),
        ),
        "distill": (
            ("distill digits digits.fred --ipc 1 --k 32 --step 0.5 --augmentation color_crop", "minutes on a laptop"),
            ("distill fashion-mnist small.fred --objective dsa --bytes 6000", "another objective; the rest is chosen"),
            ("distill --from digits.fred again.fred --seed 1", "the same run with another seed"),
        ),
        "experts": (("experts cifar10 trajectories --count 20", "the experts for distill --objective tm"),),
        "encode": (
            ("encode folder:photos photos.fred --size 64 --bytes 100000", "one folder per class, in 100 kB"),
            ("encode digits digits.fred --k 40 --per-class 10", "ten real images per class, no distillation"),
        ),
        "evaluate": (
            ("evaluate digits.fred --on digits", "compared with real images in the same bytes"),
            (
                "evaluate digits.fred --on digits --network convnet --network vit --record",
                "writes the results into the file",
            ),
            ("evaluate https://example.org/digits.fred --on digits --save-network net.pt", "a file at an address"),
        ),
        "inspect": (
            ("inspect digits.fred", "shapes, bytes, origin, results"),
            ("inspect digits.fred --json", "the same for programs"),
        ),
        "preview": (
            ("preview digits.fred digits.png", "a contact sheet"),
            ("preview digits.fred masks.png --kind masks", "which frequencies are kept"),
        ),
        "report": (("report digits.fred digits.html", "one page to browse and share"),),
        "validate": (("validate *.fred", "exit status 0 if all are valid"),),
        "diff": (("diff digits.fred again.fred", "exit status 0 if the data are the same"),),
        "curve": (("curve *.fred curve.png --anchors", "from the results that evaluate --record wrote"),),
        "bench": (("bench digits.fred --batch-size 2048", "images per second on this machine"),),
        "convert": (("convert digits.fred digits.fred.zarr", "a directory that any Zarr reader opens"),),
        "import": (
            ("import res_DM_CIFAR10_ConvNet_10ipc.pt dm.fred --dataset cifar10", "a file of DC, DSA or DM"),
            ("import images_best.pt mtt.fred --dataset cifar10 --no-zca --lr 0.02", "a file of MTT"),
        ),
        "export": (
            ("export digits.fred digits.parquet", "a dataset that Hugging Face shows"),
            ("export digits.fred res.pt --to dc", "a file that DC's code loads"),
        ),
        "decode": (
            ("decode digits.fred pictures", "PNG images, one folder per class"),
            ("decode digits.fred digits.npz", "arrays of images and labels"),
        ),
        "card": (
            (
                'card digits.fred publish --creator "Doe, Jane" --version 1.0.0',
                "the other files of a repository",
            ),
        ),
        "push": (("push digits.fred hf://datasets/OWNER/NAME/ --card publish --create", "to the Hub, with its card"),),
        "pull": (
            ("pull hf://datasets/OWNER/NAME/digits.fred", "a verified copy in this folder"),
            ("pull https://example.org/digits.fred copy.fred", "from any server"),
        ),
    }
)
"""Arguments of ``fredfmt`` and a short description, by command."""


def epilog(command: str) -> str:
    """The end of a command's help page, in rich's markup; one paragraph per line."""
    from rich.markup import escape

    lines = [f"$ fredfmt {escape(line)}   [dim]# {escape(words)}[/dim]" for line, words in EXAMPLES[command]]
    return "\n\n".join(["[bold]Examples[/bold]", *lines])
