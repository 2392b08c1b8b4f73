"""Canonical JSON against the number table of RFC 8785 (appendix B) and the standard library's parser."""

import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fredfmt import FormatError, LimitError, Limits
from fredfmt.model.documents import canonical, parse

RFC_8785_NUMBERS = {
    "0000000000000000": "0",
    "8000000000000000": "0",
    "0000000000000001": "5e-324",
    "8000000000000001": "-5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308",
    "ffefffffffffffff": "-1.7976931348623157e+308",
    "4340000000000000": "9007199254740992",
    "c340000000000000": "-9007199254740992",
    "4430000000000000": "295147905179352830000",
    "44b52d02c7e14af5": "9.999999999999997e+22",
    "44b52d02c7e14af6": "1e+23",
    "44b52d02c7e14af7": "1.0000000000000001e+23",
    "444b1ae4d6e2ef4e": "999999999999999700000",
    "444b1ae4d6e2ef4f": "999999999999999900000",
    "444b1ae4d6e2ef50": "1e+21",
    "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d": "0.000001",
    "41b3de4355555553": "333333333.3333332",
    "41b3de4355555554": "333333333.33333325",
    "41b3de4355555555": "333333333.3333333",
    "becbf647612f3696": "-0.0000033333333333333333",
    "43143ff3c1cb0959": "1424953923781206.2",
}

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    # surrogates cannot be written as UTF-8, so a document with one has no canonical bytes
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5),
    max_leaves=20,
)


@pytest.mark.parametrize(("bits", "text"), RFC_8785_NUMBERS.items())
def test_numbers_are_written_as_the_rfc_asks(bits, text):
    assert canonical(struct.unpack(">d", bytes.fromhex(bits))[0]) == text.encode()


def test_keys_sort_by_utf16_units_and_nothing_is_blank():
    document = {"\ufb33": 1, "\U0001f600": 2, "b": [True, None, "\u20ac\n\x0f"], "a": {"y": 1.0, "x": -0.0}}
    expected = '{"a":{"x":0,"y":1},"b":[true,null,"€\\n\\u000f"],"😀":2,"\ufb33":1}'
    assert canonical(document).decode() == expected


@given(values)
def test_what_is_written_reads_back(value):
    content = canonical(value)
    assert parse(content, limits=Limits(json_depth=100)) == value == json.loads(content, parse_int=float)


@pytest.mark.parametrize(
    "content",
    [
        b'{"a":1,"a":1}',
        b'{"b":1,"a":2}',
        b'{"a": 1}',
        b"[1.0]",
        b"[1E5]",
        b"[NaN]",
        b"[Infinity]",
        b"[-0]",
        b'["\\u0061"]',
        b"[1",
        b"",
        b"\xff",
        b"[9007199254740993]",
        b"[" + b"9" * 5000 + b"]",
        b'["\xed\xa0\x80"]',
    ],
)
def test_any_other_spelling_is_refused(content):
    with pytest.raises(FormatError):
        parse(content)


def test_depth_and_size_are_limited_before_parsing():
    with pytest.raises(LimitError, match="nesting"):
        parse(b"[" * 200_000 + b"]" * 200_000)
    with pytest.raises(LimitError, match="json_bytes"):
        parse(b'"' + b"a" * 100 + b'"', limits=Limits(json_bytes=99))
    assert parse(b'["[[[[[[[[[[[[[[[[[[[[[[\\""]') == ["[" * 22 + '"']


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53, {1: 2}, {"a": {1, 2}}, b"bytes"])
def test_what_json_cannot_hold_is_refused(value):
    with pytest.raises(FormatError):
        canonical(value)


def test_numpys_doubles_are_spelled_as_numbers():
    assert canonical({"a": np.float64(0.1), "b": [np.float64(-2.0), np.float64(1e300)]}) == b'{"a":0.1,"b":[-2,1e+300]}'
