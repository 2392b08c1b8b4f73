"""A plain, slow reader of `.fred` files, written from spec/fred-1.0.md alone. Needs numpy, and numcodecs for Blosc."""

import hashlib
import json
import math
import re
import struct
import zlib

import numpy as np
from numcodecs import blosc

NAME = rb"[a-z0-9][a-z0-9_.-]*(/[a-z0-9][a-z0-9_.-]*)*"
AXES = {"coefficients": ["instance", "channel", "frequency"], "frequencies": ["mask", "frequency"]}
AXES |= {"labels": ["instance", "class"], "mask_of": ["instance"], "base": ["mask", "channel", "frequency"]}
KEPT_ALIKE, INDEX, FLOATS = ("coefficients", "base"), ("uint8", "uint16", "uint32"), ("float16", "float32")
OURS = {"format", "version", "integrity", "counts"}
SIGNED = ("int16", "int32")
KEPT = {"uniform": SIGNED, "float16": FLOATS[:1], "float32": FLOATS[1:]}
NUMBER, OPTIONAL = (int, float), {"step", "error_max", "error_rms", "images", "source"}
FORM = dict.fromkeys(("format", "version", "transform", "channel_transform", "license", "citation"), str)
FORM |= {"spatial_shape": [int], "channels": int, "classes": [str], "results": [dict]}
FORM |= {"quantization": {"mode": str, **dict.fromkeys(("step", "error_max", "error_rms"), NUMBER)}}
FORM |= {"whitening": {"method": str, "epsilon": NUMBER, "images": str, "source": dict}}
FORM |= {"normalization": {"mean": [NUMBER], "std": [NUMBER]}}
FORM |= dict.fromkeys(("mask", "reconstruction", "source", "distillation", "recipe", "writer", "ext"), dict)


def need(holds, rule):
    if not holds:
        raise ValueError(rule)


def fits(value, form):
    if isinstance(form, list):
        return isinstance(value, list) and all(fits(element, form[0]) for element in value)
    if isinstance(form, dict):
        held = isinstance(value, dict) and set(form) - OPTIONAL <= set(value) <= set(form)
        return held and all(fits(value[key], form[key]) for key in value)
    return isinstance(value, form) and not isinstance(value, bool)


def spell(value):
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{spell(key)}:{spell(value[key])}" for key in keys) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(spell, value)) + "]"
    if not isinstance(value, float):
        return json.dumps(value, ensure_ascii=False)
    need(math.isfinite(value), "FRED-101")
    if value == 0 or 1e-6 <= abs(value) < 1e21:
        return np.format_float_positional(value or 0.0, trim="-")
    return re.sub(r"e([+-])0*", r"e\1", repr(value))


def depth(content):
    outside = re.sub(rb'"[^"]*"', b"", re.sub(rb"\\.", b"", content, flags=re.DOTALL))
    steps = [{91: 1, 123: 1, 93: -1, 125: -1}.get(byte, 0) for byte in outside]
    return np.cumsum(steps or [0]).max()


def read_json(content):
    need(len(content) <= 2**20 + 2**16 and depth(content) <= 18, "FRED-303")
    value = json.loads(content.decode(), parse_int=lambda t: int(t) if abs(int(t)) < 2**53 else float(t))
    need(spell(value).encode() == content, "FRED-101")
    return value


def read_archive(content):
    need(content[:4] == b"PK\x03\x04", "FRED-400")
    entries, directory, at, last, compact = {}, b"", 0, (False, b""), False
    while content[at : at + 4] == b"PK\x03\x04":
        need(len(entries) < 4096, "FRED-303")
        need(at + 30 <= len(content), "FRED-401")
        fixed = struct.unpack("<5H3I2H", content[at + 4 : at + 30])
        version, flags, method, time, date, crc, stored, size, length, extra = fixed
        name = content[at + 30 : at + 30 + length]
        need(len(name) == length <= 255 and re.fullmatch(NAME, name), "FRED-403")
        need((version, flags, time, date, extra) == (20, 0, 0, 33, 0), "FRED-404")
        need((method == 0 and stored == size) or (method == 8 and name == b"zarr.json"), "FRED-404")
        need(last < (last := (name != b"zarr.json", name)), "FRED-402")
        body = content[at + 30 + length : at + 30 + length + stored]
        need(len(body) == stored, "FRED-401")
        directory += struct.pack("<4sH", b"PK\1\2", 0x314) + content[at + 4 : at + 30]
        directory += struct.pack("<3H2I", 0, 0, 0, 0x81A40000, at) + name
        at += 30 + length + stored
        if method:
            need(size <= 2**20 + 2**16, "FRED-303")
            body, compact = inflate(body, size), True
        need(zlib.crc32(body) == crc, "FRED-405")
        entries[name.decode()] = body
    counts = (len(entries), len(entries), len(directory), at, 4 * compact)
    end = directory + struct.pack("<4s2H2H2IH", b"PK\5\6", 0, 0, *counts)
    need(content[at : at + len(end)] == end and len(content) == at + len(end) + 4 * compact, "FRED-401")
    need(not compact or zlib.crc32(content[:-4]).to_bytes(4, "little") == content[-4:], "FRED-407")
    return entries


def inflate(body, size):
    inflater = zlib.decompressobj(-15)
    try:
        content = inflater.decompress(body, size + 1)
    except zlib.error:
        raise ValueError("FRED-406") from None
    need(len(content) == size and inflater.eof and not inflater.unused_data, "FRED-406")
    return content


def crc32c(data, crc=0xFFFFFFFF):
    for bit in np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little").tolist():
        crc = crc >> 1 ^ 0x82F63B78 * ((crc ^ bit) & 1)
    return crc ^ 0xFFFFFFFF


def read_array(name, entries, documents, budget):
    own = None if documents is not None else f"{name}/zarr.json"
    document = read_json(entries.get(own, b"null")) if own else documents.get(name)
    need(isinstance(document, dict) and {"shape", "data_type"} <= set(document), "FRED-502")
    shape, dtype = document["shape"], document["data_type"]
    types = {"labels": INDEX + FLOATS, "mask_of": INDEX, "frequencies": INDEX}.get(name, INDEX[1:] + FLOATS)
    need(isinstance(shape, list), "FRED-502")
    coded, kept = document.get("codecs") == [{"name": "fredfmt.context"}, {"name": "crc32c"}], name in KEPT_ALIKE
    need(dtype in ((SIGNED if kept else set(types) & set(INDEX)) if coded else types), "FRED-203")
    axes = AXES[name][: len(shape) if name == "labels" else None]
    need(fits(shape, [int]) and len(shape) == len(axes) > 0 and min(shape) > 0, "FRED-202")
    size, three = np.dtype(dtype).itemsize, len(shape) == 3
    rows = min(shape[0], max(1, 2**24 // (math.prod(shape[1:]) * size)))
    frame = {"blocksize": 0, "clevel": 9, "cname": "zstd", "shuffle": "bit" * (three and dtype[0] == "u") + "shuffle"}
    codecs = [{"configuration": {"order": [2, 1, 0]}, "name": "transpose"}] * three
    codecs += [{"configuration": {"endian": "little"}, "name": "bytes"} if size > 1 else {"name": "bytes"}]
    codecs += [{"configuration": {**frame, "typesize": size}, "name": "blosc"}, {"name": "crc32c"}]
    codecs = document["codecs"] if coded else codecs
    grid = {"configuration": {"chunk_shape": [rows, *shape[1:]]}, "name": "regular"}
    keys = {"configuration": {"separator": "/"}, "name": "default"}
    wanted = {"chunk_grid": grid, "chunk_key_encoding": keys, "codecs": codecs, "data_type": dtype, "fill_value": 0}
    wanted |= {"dimension_names": axes, "node_type": "array", "shape": shape, "zarr_format": 3}
    need(spell(document) == spell(wanted), "FRED-502")
    shares = name == "labels" and len(shape) == 2 and dtype == "uint8"
    budget[0] -= math.prod(shape) * (2 if shares else size)
    starts = range(0, shape[0], rows)
    need(max(shape) < 2**31 and budget[0] >= 0 and len(starts) <= 4096, "FRED-303")
    keys = ["/".join((name, "c", str(i), *"0" * (len(shape) - 1))) for i in range(len(starts))]
    need({key for key in entries if key.split("/")[0] == name} == {*keys, own} - {None}, "FRED-503")
    array = np.empty(shape, dtype)
    for key, start in zip(keys, starts):
        frame, crc = entries[key][:-4], entries[key][-4:]
        need(crc32c(frame).to_bytes(4, "little") == crc, "FRED-504")
        if coded:
            array[start : start + rows] = context_decode(frame, dtype, [rows, *shape[1:]])[: shape[0] - start]
            continue
        need(len(frame) >= 16, "FRED-505")
        chunk = np.empty([rows, *shape[1:]][:: -1 if three else 1], np.dtype(dtype).newbyteorder("<"))
        *kind, flags, typesize, nbytes, block, stored = struct.unpack("<4B3I", frame[:16])
        need(kind == [2, 1] and flags & ~2 == (0x94 if three and dtype[0] == "u" else 0x91), "FRED-505")
        need((typesize, nbytes, stored) == (size, chunk.nbytes, len(frame)) and 0 < block <= nbytes, "FRED-505")
        blosc.decompress(frame, chunk)
        array[start : start + rows] = (chunk.T if three else chunk)[: shape[0] - start]
    return array


T = [22, 36, 60, 98, 162, 267, 439, 720, 1179, 1921, 3108, 4971, 7812, 11955, 17625, 24743, 32768]
T += [65536 - t for t in T[-2::-1]]
SQUASH = [T[x // 128] + (T[x // 128 + 1] - T[x // 128]) * (x % 128) // 128 for x in range(4096)]
STRETCH = [min(next((x for x in range(1, 4096) if SQUASH[x] >= 16 * q + 8), 4095), 4095) - 2048 for q in range(4096)]


def clip(x, least, most):
    return max(least, min(x, most))


class ContextDecoder:
    """Annex D.1 to D.4."""

    def __init__(self, content):
        self.content, self.low, self.high, self.moved = content, 0, 2**32 - 1, 0
        self.code = int.from_bytes((content + b"\0\0\0\0")[:4], "big")
        self.estimates, self.weights = {}, {}

    def bit(self, p):
        middle = self.low + (self.high - self.low) * p // 65536
        bit = int(self.code <= middle)
        self.low, self.high = (self.low, middle) if bit else (middle + 1, self.high)
        while self.low // 2**24 == self.high // 2**24:
            following = self.content[self.moved + 4] if self.moved + 4 < len(self.content) else 0
            self.low, self.high = self.low * 256 % 2**32, (self.high * 256 + 255) % 2**32
            self.code, self.moved = (self.code * 256 + following) % 2**32, self.moved + 1
        need(self.moved <= len(self.content), "FRED-506")
        return bit

    def learn(self, key, bit):
        p, n = self.estimates.get(key, (32768, 0))
        self.estimates[key] = p + (65535 * bit - p) * (65536 // (2 * n + 3)) // 32768, min(n + 1, 127)

    def mixed(self, contexts, node):
        weights = self.weights.setdefault(node, [20480] * 3)
        hints = [STRETCH[self.estimates.get((context, node), (32768, 0))[0] // 16] for context in contexts]
        p = SQUASH[clip(sum(w * h for w, h in zip(weights, hints)) // 65536, -2047, 2047) + 2048]
        bit = self.bit(p)
        for i, hint in enumerate(hints):
            weights[i] = clip(weights[i] + (hint * (65536 * bit - p) + 16384) // 32768, -(2**20), 2**20)
            self.learn((contexts[i], node), bit)
        return bit

    def difference(self, contexts, fraction, width):
        m = 0
        while m < width and self.mixed(contexts, min(m, 23)):
            m += 1
        size = int(m > 0)
        for digit in range(1, m):
            size = 2 * size + (self.mixed(contexts, 24 + min(m, 23)) if digit == 1 else self.bit(32768))
        if not m:
            return 0
        sign = ("sign", 2 * min(abs(fraction) // 16, 7) + (m > 1))
        self.learn(sign, bit := self.bit(clip(self.estimates.get(sign, (32768, 0))[0], 32, 65504)))
        return -size if bit == (fraction >= 0) else size

    def ending(self):
        multiples = [-(-self.low // unit) * unit for unit in (2**32, 2**24, 2**16, 2**8, 1)]
        n = next(n for n, z in enumerate(multiples) if z <= self.high)
        return multiples[n].to_bytes(5, "big")[1 : 1 + n]


def log(x):
    return x if x < 8 else 8 * (x.bit_length() - 4) + (x >> (x.bit_length() - 4))


def short(x):
    return clip(x, -32768, 32767)


def context_decode(content, dtype, shape):
    """Annex D.5 and D.6."""
    need(math.prod(shape[1:]) <= 2**22, "FRED-506")
    values, limits, decoder = np.empty(shape, dtype), np.iinfo(dtype), ContextDecoder(content)
    least, most, width = int(limits.min), int(limits.max), limits.bits
    rows = values.reshape(shape[0], -1, shape[-1] if len(shape) > 1 else 1)
    mean, size = ([[0] * rows.shape[2] for _ in rows[0]] for _ in range(2))
    together, alone, u, v = [0] * len(rows[0]), [0] * len(rows[0]), 8192, 16384
    for i, row in enumerate(rows):
        rate, found, expected = 256 // (i + 2), [0] * len(row), [0] * len(row)
        for f in range(rows.shape[2]):
            before = above = due = 0
            for c in range(len(row)):
                level = clip(256 * u // v, 0, 256) * mean[c][f] // 256
                slope = clip(256 * together[c] // alone[c], -512, 512) if alone[c] else 256
                guess = clip(level + (slope * before // 256 if c else 0), 256 * least, 256 * most)
                centre = (guess + 128) // 256
                if i == 0:
                    size[c][f] = size[c][f - 1] if f else size[c - 1][0] if c else 1024
                s, a = log(size[c][f]), log(found[c] + 64) - log(expected[c] + 64)
                t = log(above + 64) - log(due + 64) if c else 0
                relation = 16 * clip((t if c else a) // 4 + 8, 0, 15) + clip(s // 8, 0, 15)
                contexts = clip((8 * s + 3 * a + 4 * t) // 32, 0, 63), 64 + 4 * min(f, 63) + min(c, 3)
                contexts += (320 + (256 if c else 0) + relation,)
                d = decoder.difference(contexts, guess - 256 * centre, width)
                need(least <= centre + d <= most, "FRED-506")
                row[c, f] = value = centre + d
                found[c] += 256 * abs(d) - found[c] // 8
                expected[c] += size[c][f] - expected[c] // 8
                above, due = above + 256 * abs(d), due + size[c][f]
                size[c][f] += (256 * abs(d) - size[c][f]) * max(rate, 16) // 256
                y, z = short(16 * value), short(mean[c][f] // 16)
                u, v = u + y * z - u // 128, v + z * z - v // 128
                beyond = 256 * value - level
                if c:
                    x, y = short(before // 16), short(beyond // 16)
                    together[c] += x * y - together[c] // 4096
                    alone[c] += x * x - alone[c] // 4096
                before = beyond
                mean[c][f] += (256 * value - mean[c][f]) * max(rate, 36) // 256
    need(content[decoder.moved :] == decoder.ending(), "FRED-506")
    return values


def read(content):
    entries = read_archive(content)
    need("zarr.json" in entries, "FRED-501")
    root = read_json(entries["zarr.json"])
    need(isinstance(root, dict) and fits(root.get("attributes"), {"fred": object}), "FRED-501")
    meta, documents = root["attributes"]["fred"], root.get("consolidated_metadata")
    wanted = {"attributes": {"fred": meta}, "node_type": "group", "zarr_format": 3}
    if documents is not None:
        documents = documents.get("metadata") if isinstance(documents, dict) else None
        need(isinstance(documents, dict), "FRED-501")
        wanted["consolidated_metadata"] = {"kind": "inline", "metadata": documents, "must_understand": False}
    need(spell(root) == spell(wanted), "FRED-501")
    spelled = spell(meta).encode()
    need(len(spelled) <= 2**20 and depth(spelled) <= 16, "FRED-303")
    check_metadata(meta)
    names = {key.split("/")[0] for key in entries} - {"zarr.json"} | set(documents or ())
    need(names <= set(AXES), "FRED-503")
    counts = meta.get("counts", {})
    need({"coefficients", "frequencies", "labels"} <= names | set(counts), "FRED-201")
    budget = [min(2**30, max(1000 * len(content), 2**26))]
    arrays = {name: read_array(name, entries, documents, budget) for name in names}
    for name, count in counts.items():
        values = len(meta["classes"] if name == "labels" else arrays["frequencies"])
        need(name not in arrays and len(count) == values, "FRED-212")
        need(sum(count) == len(arrays["coefficients"]), "FRED-212")
        arrays[name] = np.repeat(np.arange(values, dtype=np.uint32), count)
    labels = arrays["labels"]
    if labels.ndim == 2 and labels.dtype == np.uint8:
        sums = set(labels.sum(1, int).tolist())
        need(len(sums) == 1 and sums <= {1, 2, 4, 8, 16, 32, 64, 128}, "FRED-213")
        arrays["labels"] = (labels / sums.pop()).astype(np.float16)
    if arrays["frequencies"].dtype == np.uint8:
        arrays["frequencies"] = frequencies_of(arrays["frequencies"], meta["spatial_shape"])
    check_arrays(meta, arrays)
    need(meta["integrity"]["content"] == content_digest(meta, arrays), "FRED-702")
    return meta, arrays


def frequencies_of(bits, shape):
    kept = bits.sum(1, int)
    need(bits.size <= 2**17 and bits.shape[1] <= math.prod(shape), "FRED-214")
    need(bits.max() == 1 and min(kept) == max(kept), "FRED-214")
    places = [np.arange(n) * (math.prod(shape) // n) for n in shape]
    order = np.argsort(sum(np.ix_(*places)).ravel(), kind="stable")
    return np.stack([order[np.flatnonzero(row)] for row in bits]).astype(np.uint32)


def check_metadata(meta):
    need(isinstance(meta, dict) and meta.get("format") == "fred", "FRED-110")
    need(isinstance(meta.get("version"), str) and re.fullmatch(r"1\.(0|[1-9][0-9]*)", meta["version"]), "FRED-111")
    need({"spatial_shape", "channels", "classes", "transform", "quantization"} <= set(meta), "FRED-112")
    for field, value in meta.items():
        if field not in FORM and field not in OURS:
            need(isinstance(value, dict) and value.get("must_understand") is False, "FRED-114")
        need(field not in FORM or fits(value, FORM[field]), "FRED-113")
    classes, quantization = meta["classes"], meta["quantization"]
    need(1 <= len(meta["spatial_shape"]) <= 3, "FRED-115")
    need(all(1 <= length < 2**31 for length in meta["spatial_shape"]), "FRED-115")
    size = math.prod(meta["spatial_shape"])
    need(size <= 2**24 and size * meta["channels"] <= 2**28, "FRED-303")
    need(meta["channels"] >= 1, "FRED-116")
    need(0 < len(classes) == len(set(classes) - {""}), "FRED-117")
    need(meta["transform"] in ("dct", "hartley", "haar", "db2", "identity", "downsample"), "FRED-118")
    need(quantization["mode"] in KEPT and 0 < quantization.get("step", 1) < math.inf, "FRED-119")
    need(("step" in quantization) == (quantization["mode"] == "uniform"), "FRED-119")
    for values in meta.get("normalization", {}).values():
        need(len(values) == meta["channels"] and min(meta["normalization"]["std"]) > 0, "FRED-120")
    need(meta.get("channel_transform", "dct") == "dct", "FRED-123")
    white, digest = meta.get("whitening", {"method": "zca", "epsilon": 1}), "sha256:[0-9a-f]{64}"
    need(white["method"] == "zca" and 0 < white["epsilon"] < math.inf, "FRED-121")
    need("images" not in white or re.fullmatch(digest, white["images"]), "FRED-121")
    if "counts" in meta:
        counts = meta["counts"]
        need(isinstance(counts, dict) and fits([*counts.values()], [[int]]), "FRED-113")
        need(set(counts) <= {"labels", "mask_of"}, "FRED-113")
        need(counts and all(min(count, default=0) >= 0 for count in counts.values()), "FRED-122")
    integrity = meta.get("integrity")
    digests = fits(integrity, {"content": str, "metadata": str}) and integrity.values()
    need(digests and all(re.fullmatch(digest, value) for value in digests), "FRED-701")
    digested = {**meta, "integrity": {"content": integrity["content"]}}
    need(integrity["metadata"] == "sha256:" + hashlib.sha256(spell(digested).encode()).hexdigest(), "FRED-703")


def check_arrays(meta, arrays):
    lengths = {"channel": meta["channels"], "class": len(meta["classes"])}
    for name in AXES:
        for axis, length in zip(AXES[name], arrays[name].shape if name in arrays else ()):
            need(lengths.setdefault(axis, length) == length, "FRED-202")
    types = {arrays[name].dtype.name.lstrip("u") for name in {"coefficients", "base"} & set(arrays)}
    need(len(types) == 1 and types <= set(KEPT[meta["quantization"]["mode"]]), "FRED-203")
    need(all(np.isfinite(array).all() for array in arrays.values()), "FRED-204")
    frequencies, labels, shape = arrays["frequencies"], arrays["labels"], meta["spatial_shape"]
    need(frequencies.max() < math.prod(shape), "FRED-205")
    for mask in frequencies.tolist():
        sums = [sum(int(u) * (math.prod(shape) // n) for u, n in zip(np.unravel_index(f, shape), shape)) for f in mask]
        need(list(zip(sums, mask)) == sorted({*zip(sums, mask)}), "FRED-206")
    hard, classes = labels.ndim == 1, len(meta["classes"])
    need(labels.dtype.kind == ("u" if hard else "f"), "FRED-203")
    need(not hard or labels.max() < classes, "FRED-207")
    need(hard or (labels.min() >= 0 and abs(labels.sum(1, float) - 1).max() <= 0.01), "FRED-208")
    need(arrays.get("mask_of", labels * 0).max() < len(frequencies), "FRED-209")
    need("mask_of" in arrays or (hard and len(frequencies) == classes), "FRED-210")
    need(all(abs(numbers(meta, arrays[n])).max() <= 1e30 for n in {"coefficients", "base"} & set(arrays)), "FRED-211")


def numbers(meta, array, step=None):
    if array.dtype.kind == "f":
        return array.astype(float)
    z = array.astype(np.int64)
    q = np.where(z % 2, -((z + 1) // 2), z // 2) if array.dtype.kind == "u" else z
    return q * (step or float(meta["quantization"]["step"]))


def matrix(name, n):
    x, u = np.arange(n)[:, None], np.arange(n)
    if name == "dct":
        return np.where(u, math.sqrt(2 / n), math.sqrt(1 / n)) * np.cos(math.pi * (2 * x + 1) * u / (2 * n))
    if name == "hartley":
        t = 2 * math.pi * x * np.where(u % 2, (u + 1) // 2, (n - u // 2) % n) / n
        return math.sqrt(1 / n) * (np.cos(t) + np.sin(t))
    if name == "downsample":
        return (x // 2 == u) / np.sqrt(np.minimum(n - 2 * u, 2).clip(1))
    r, averages, details = math.sqrt(3), np.eye(n), np.empty((0, n))
    g = {"haar": [2, 2], "db2": [1 - r, 3 - r, 3 + r, 1 + r]}.get(name, [])
    taps = np.array([g, [(-1) ** (j + 1) * g[-1 - j] for j in range(len(g))]]) / math.sqrt(8 if name == "haar" else 32)
    while g and len(averages) > 1:
        m = len(averages) // 2 * 2
        at = (len(g) // 2 + 2 * np.arange(m // 2)[:, None] - np.arange(len(g))) % m
        sums, differences = np.einsum("kj,ojn->kon", taps, averages[at])
        averages, details = np.concatenate([sums, averages[m:]]), np.concatenate([differences, details])
    return np.concatenate([averages, details]).T


def decode(meta, arrays):
    shape, values = meta["spatial_shape"], numbers(meta, arrays["coefficients"])
    matrices = [matrix(meta["transform"], n) for n in shape]
    masks = arrays.get("mask_of", arrays["labels"])
    values += numbers(meta, arrays["base"])[masks] if "base" in arrays else 0
    values = matrix("dct", meta["channels"]) @ values if "channel_transform" in meta else values
    images = np.zeros((*values.shape[:2], *shape))
    for i, c, j in np.ndindex(values.shape):
        at = zip(matrices, np.unravel_index(arrays["frequencies"][masks[i], j], shape))
        images[i, c] += values[i, c, j] * math.prod(np.ix_(*[basis[:, u] for basis, u in at]))
    return images


def content_digest(meta, arrays):
    parts, q, arrays = [], meta["quantization"], {**arrays, "mask_of": arrays.get("mask_of", arrays["labels"])}
    for name in sorted(arrays, key=list(AXES).index):
        array = numbers(meta, arrays[name], 1) if name in ("coefficients", "base") else arrays[name]
        parts.append((name, array, {"f": "f4", "i": "i4", "u": "u4"}[array.dtype.kind]))
    parts += [("spatial_shape", meta["spatial_shape"], "u4"), ("transform", list(meta["transform"].encode()), "u1")]
    parts += [("quantization.mode", list(q["mode"].encode()), "u1"), ("quantization.step", [q.get("step", 1)], "f8")]
    parts += [(f"normalization.{name}", part, "f8") for name, part in sorted(meta.get("normalization", {}).items())]
    for name, kind in (("method", "u1"), ("epsilon", "f8"), ("images", "u1")):
        if name in (white := meta.get("whitening", {})):
            parts.append((f"whitening.{name}", [white[name]] if kind == "f8" else list(white[name].encode()), kind))
    parts += [("channel_transform", list(b"dct"), "u1")] * ("channel_transform" in meta)
    parts += [("class", list(name.encode()), "u1") for name in meta["classes"]]
    state = hashlib.sha256()
    for name, values, kind in parts:
        array = np.asarray(values).astype(f"<{kind}")
        state.update(f"{name} {kind} {'x'.join(map(str, array.shape))}\n".encode() + array.tobytes())
    return "sha256:" + state.hexdigest()
