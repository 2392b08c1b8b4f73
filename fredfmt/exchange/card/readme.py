"""README.md in Markdown, with the front matter of the Hugging Face Hub."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fredfmt.exchange.card import licenses
from fredfmt.exchange.card.facts import Facts
from fredfmt.exchange.card.text import markdown, table, yaml
from fredfmt.model.distillation import LENGTHS, by_name

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_MOST_CLASSES = 100


def readme(facts: Facts, *, picture: bool) -> str:
    """The page: a description of the data, how to load them, results and provenance."""
    parts = [
        f"---\n{yaml(front_matter(facts))}---\n",
        f"# {markdown(facts.title)}\n",
        f"{markdown(facts.description)}\n",
    ]
    if picture:
        parts.append("![Instances of each class, its mask first](preview.png)\n")
    parts += ["## Load\n", _load(facts), "## Data\n", table(("", ""), _data(facts))]
    if results := facts.metadata.get("results"):
        header = ("network", "protocol", "test set", "accuracy %", "std", "runs")
        parts += ["## Results\n", table(header, [_result(result) for result in results])]
    if facts.source:
        parts += ["## Source\n", table(("", ""), _rows(facts.source))]
    if citation := facts.metadata.get("citation"):
        parts += ["Cite the source as:\n", f"> {markdown(citation)}\n"]
    if recipe := facts.metadata.get("recipe"):
        parts += ["## How to train on it\n", table(("", ""), _rows(recipe))]
    if distillation := facts.metadata.get("distillation"):
        parts += ["## How it was made\n", table(("", ""), _rows(by_name(distillation)))]
        parts.append("`fredfmt distill --from FILE OUT` repeats the run with every setting and seed from the file.\n")
    return "\n".join(parts)


def front_matter(facts: Facts) -> dict[str, Any]:
    """The Hub's metadata. The viewer is disabled, because it would misread the file as a plain ZIP archive."""
    found: dict[str, Any] = {"pretty_name": facts.title}
    if facts.license is not None:
        name = licenses.on_the_hub(facts.license)
        found |= {"license": name} if name else {"license": "other", "license_name": facts.license}
    if len(facts.shape) == 3:
        found["task_categories"] = ["image-classification"]
    found["size_categories"] = [next((text for most, text in _SIZES if facts.instances < most), "n>1M")]
    found["tags"] = ["dataset-distillation", "fred", "fredfmt"] if facts.objective else ["fred", "fredfmt"]
    found["viewer"] = False
    found["configs"] = [{"config_name": "default", "data_files": [{"split": "train", "path": facts.name}]}]
    return found


def _load(facts: Facts) -> str:
    address = facts.address or facts.name
    return (
        "Needs the Python packages fredfmt and huggingface_hub.\n\n```python\nfrom fredfmt import FreDLoader\n"
        f"loader = FreDLoader({_literal(address)}, shuffle=True, expected_digest={_literal(facts.digest)})\n"
        "for images, labels in loader: ...  # torch tensors; FreDDataset is the map-style torch Dataset\n```\n"
    )


def _literal(text: str) -> str:
    """A Python string literal that stays on one line and inside its code block."""
    return ascii(text)


def _data(facts: Facts) -> list[tuple[str, object]]:
    names = ", ".join(facts.classes[:_MOST_CLASSES])
    more = len(facts.classes) - _MOST_CLASSES
    normalization = facts.metadata.get("normalization")
    space = f"(x - mean) / std; mean {normalization['mean']}, std {normalization['std']}" if normalization else "0 to 1"
    rows: list[tuple[str, object]] = [
        ("instances", facts.instances),
        ("shape", " x ".join(map(str, facts.shape))),
        ("classes", names + (f" and {more} more" if more > 0 else "")),
        ("space of the images", space),
        ("frequencies kept", f"{facts.k}, {facts.metadata['transform']}"),
        ("file", f"{facts.name}, {facts.size:,} bytes, {facts.bits_per_class:,.0f} bits per class"),
        ("content digest", facts.digest),
        ("SHA-256 of the file", facts.sha256),
    ]
    if "whitening" in facts.metadata:
        rows.append(("whitening", "ZCA: test images must be whitened by the same matrix"))
    if facts.license:
        rows.append(("licence", facts.license))
    return rows


def _result(result: Mapping[str, Any]) -> tuple[object, ...]:
    """A row of the table of results; unknown cells are empty."""
    network = result.get("network", "")
    if isinstance(network, Mapping):
        name, *others = sorted(network, key=lambda key: (key != "name", key))
        network = " ".join([str(network[name]), *(f"{key}={network[key]}" for key in others)])
    protocol = str(result.get("protocol", ""))
    unit = LENGTHS.get(protocol, "")
    length = f"{result[unit]} {unit}" if unit in result else ""
    others = [f"{key} {result[key]}" for key in ("batch", "lr", "augmentation") if key in result]
    trained = ", ".join(filter(None, (protocol if protocol != unit else "", length, *others)))
    test = f"{result.get('test', '')}" + (f" ({result['images']} images)" if "images" in result else "")
    return (
        network,
        trained,
        test,
        _percent(result.get("accuracy")),
        _percent(result.get("std")),
        result.get("seeds", ""),
    )


def _percent(value: object) -> str:
    return f"{100 * value:.2f}" if isinstance(value, int | float) and not isinstance(value, bool) else ""


def _rows(values: Mapping[str, Any]) -> list[tuple[str, object]]:
    return [(key.replace("_", " "), _plain(value)) for key, value in sorted(values.items()) if value not in (None, "")]


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain(part)}" for key, part in value.items())
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    return str(value)
