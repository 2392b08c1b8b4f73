"""The text, the schemas, the rules, the vectors and the code speak of the same things."""

import json
import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft202012Validator

import fredfmt
from fredfmt.model.limits import DEFAULT
from fredfmt.model.metadata import Metadata
from fredfmt.model.parts import Quantization, Whitening
from fredfmt.storage.containers.declared import CHUNK_BYTES, DIMENSIONS, DTYPES
from fredfmt.storage.containers.hierarchy import array_document
from fredfmt.storage.validation import RULES
from fredfmt.transforms import TRANSFORMS

ROOT = Path(__file__).parent.parent.parent
SPEC = ROOT / "spec"
TEXT = (SPEC / "fred-1.0.md").read_text()
READER_RULES = {"FRED-301", "FRED-302", "FRED-304"}
"""No file can break them; the valid vectors' values, and every invalid one, test readers."""


def schema(name):
    return Draft202012Validator(json.loads((SPEC / "schemas/1.0" / f"{name}.schema.json").read_text()))


def blocks(kind):
    found = re.findall(rf"^```{kind}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    assert found
    return found


CASES = {path.parent: json.loads(path.read_text()) for path in sorted(SPEC.glob("vectors/1.0/*/*/case.json"))}


def defined_rules():
    return re.findall(r"^- \*\*(FRED-\d{3})\*\*", TEXT, re.MULTILINE)


def test_every_rule_is_defined_once_and_listed():
    rules = defined_rules()
    assert len(rules) == len(set(rules))
    listed = json.loads((SPEC / "rules-1.0.json").read_text())
    assert listed == {rule: {"level": level, "severity": severity} for rule, (level, severity) in RULES.items()}
    assert set(rules) == set(listed) | {"FRED-302", "FRED-304"}


def test_rules_say_must_and_advice_says_should():
    for rule, text in re.findall(r"^- \*\*(FRED-\d{3})\*\*(.*?)(?=^- \*\*FRED|^\S)", TEXT, re.MULTILINE | re.DOTALL):
        word = "SHOULD" if RULES.get(rule, ("", "error"))[1] == "warning" else "MUST"
        assert word in text, rule


def test_every_must_has_a_number():
    body = TEXT.split("## 2 Terms")[1].split("## A Example")[0]
    for paragraph in re.split(r"\n(?=- |\n|\|)", body):
        if "MUST" in paragraph and "FRED-" not in paragraph:
            assert "MAY ignore and MUST keep" in paragraph, paragraph


def test_the_code_knows_every_rule_and_no_other():
    code = "".join(path.read_text() for path in (ROOT / "fredfmt").rglob("*.py") if path.name != "rules.py")
    assert set(re.findall(r"FRED-\d{3}", code)) == set(RULES) - READER_RULES


@pytest.mark.parametrize("rule", sorted(set(RULES) | READER_RULES))
def test_every_rule_has_its_vectors(rule):
    kinds = {folder.parent.name for folder, case in CASES.items() if rule in case["rules"]}
    if rule in READER_RULES:
        assert "valid" in kinds
    elif RULES[rule][1] == "warning":
        assert "warning" in kinds
    else:
        assert {"valid", "invalid"} <= kinds


@pytest.mark.parametrize(("folder", "case"), CASES.items(), ids=lambda part: getattr(part, "name", ""))
def test_cases_follow_their_schema(folder, case):
    schema("case").validate(case)
    assert folder.name[:8] in case["rules"]
    assert (case["findings"] == []) == (folder.parent.name == "valid")
    assert ("decoded" in case) == case["valid"] == (folder.parent.name != "invalid")
    if case["valid"] and case["file"].endswith(".fred"):
        schema("metadata").validate(fredfmt.storage.reading.read_package(folder / case["file"]).document)


def test_json_in_the_text_follows_the_schemas():
    (metadata,) = blocks('json title="metadata"')
    schema("metadata").validate(json.loads(metadata))
    for block in blocks('json title="group"') + blocks('json title="array"'):
        schema("hierarchy").validate(json.loads(block))
    (array,) = blocks('json title="array"')
    document = array_document("coefficients", np.dtype("uint16"), (160, 1, 49))
    assert json.loads(array) == document
    (codecs,) = blocks('json title="codecs"')
    document |= {"codecs": json.loads(codecs), "data_type": "int16"}
    schema("hierarchy").validate(document)
    assert document == array_document("coefficients", np.dtype("int16"), (160, 1, 49), "context")


@pytest.mark.parametrize("folder", [folder for folder, case in CASES.items() if case["valid"]], ids=lambda f: f.name)
def test_documents_in_vectors_follow_the_schema(folder):
    for path in folder.glob("*.fred.zarr/**/zarr.json"):
        schema("hierarchy").validate(json.loads(path.read_text()))


def test_fields_are_the_same_in_text_schema_and_code():
    section = TEXT.split("## 4 Metadata")[1].split("## 5 ")[0]
    table = re.search(r"^\| field \|.*?\n\n", section, re.MULTILINE | re.DOTALL)[0]
    in_text = {name for row in table.strip().splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    document = json.loads((SPEC / "schemas/1.0/metadata.schema.json").read_text())
    assert in_text == set(document["properties"])
    assert in_text == {field.name for field in fields(Metadata)} - {"extensions"} | {
        "format",
        "version",
        "integrity",
        "counts",
    }
    quantization = set(document["properties"]["quantization"]["properties"])
    assert quantization == {field.name for field in fields(Quantization)}
    whitening = set(document["properties"]["whitening"]["properties"])
    assert whitening == {field.name for field in fields(Whitening)}
    assert all(f"`{name}`" in section for name in quantization | whitening)
    assert set(document["properties"]["transform"]["enum"]) == set(TRANSFORMS)
    assert set(re.findall(r"^\| `(\w+)` \|", TEXT.split("## 6 ")[1].split("## 7 ")[0], re.MULTILINE)) == set(TRANSFORMS)


def test_arrays_are_the_same_in_text_and_code():
    table = TEXT.split("## 3 Data model")[1].split("- **FRED")[0]
    for name, axes in DIMENSIONS.items():
        assert re.search(rf"`{name}` \| \({', '.join(axes[: 1 if name == 'labels' else None])}\)", table), name
        assert set(DTYPES[name]) <= set(re.findall(r"u?int\d+|float\d+", table))
    assert CHUNK_BYTES == 2**24


def test_limits_are_those_of_the_text():
    assert (DEFAULT.file_bytes, DEFAULT.entries, DEFAULT.json_bytes, DEFAULT.json_depth) == (
        1088 << 20,
        4096,
        1 << 20,
        16,
    )
    assert (DEFAULT.spatial_size, DEFAULT.image_values) == (2**24, 2**28)
    assert (DEFAULT.axis, DEFAULT.decoded_bytes, DEFAULT.decoded_ratio) == (2**31 - 1, 1 << 30, 1000)


def test_reports_follow_their_schema():
    for folder, case in CASES.items():
        report = fredfmt.validate(folder / case["file"]).to_json()
        schema("report").validate(json.loads(json.dumps(report)))


def test_the_worked_example_is_the_vector():
    content = (SPEC / "vectors/1.0/valid/FRED-401-smallest/data.fred").read_bytes()
    lines = [line for block in blocks("hex") for line in block.splitlines()]
    assert f"{len(content)} bytes" in TEXT
    for line in lines:
        offset, row = int(line[:4], 16), bytes.fromhex(line[6:53])
        assert content[offset : offset + len(row)] == row, line


def test_the_reference_reader_is_small_and_stands_alone():
    code = (SPEC / "reference/fred_reference.py").read_text()
    assert len(code.splitlines()) < 440
    imported = set(re.findall(r"^(?:import|from) (\w+)", code, re.MULTILINE))
    assert imported == {"hashlib", "json", "math", "re", "struct", "zlib", "numpy", "numcodecs"}
