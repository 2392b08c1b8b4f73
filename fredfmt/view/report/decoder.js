/* Reads .fred files by the specification of version 1.0 (spec/fred-1.0.md), and decodes their images. */

class Refusal extends Error {
  constructor(rule, what) {
    super(`${what} [${rule}]`);
    this.rule = rule;
  }
}

function need(holds, rule, what) {
  if (!holds) throw new Refusal(rule, what);
}

const AXES = {
  coefficients: ["instance", "channel", "frequency"],
  frequencies: ["mask", "frequency"],
  labels: ["instance", "class"],
  mask_of: ["instance"],
  base: ["mask", "channel", "frequency"],
};
const WIDTHS = { uint8: 1, uint16: 2, uint32: 4, int16: 2, int32: 4, float16: 2, float32: 4 };
const STORED = {
  coefficients: ["uint16", "uint32", "float16", "float32"],
  frequencies: ["uint8", "uint16", "uint32"],
  labels: ["uint8", "uint16", "uint32", "float16", "float32"],
  mask_of: ["uint8", "uint16", "uint32"],
  base: ["uint16", "uint32", "float16", "float32"],
};
const CONTEXT = [{ name: "fredfmt.context" }, { name: "crc32c" }];
const KEPT = { uniform: ["int16", "int32"], float16: ["float16"], float32: ["float32"] };
const TRANSFORMS = ["dct", "hartley", "haar", "db2", "identity", "downsample"];
const product = (lengths) => lengths.reduce((total, length) => total * length, 1);
const utf8 = new TextEncoder();
const [DOCUMENT, LEVELS, ROOM] = [2 ** 20, 16, 2 ** 16];

/* ---- documents ---- */

/* RFC 8785 is what JSON.stringify writes, with keys sorted by UTF-16 units, which is what sort() does. */
function canonical(value, levels = LEVELS + 2) {
  if (Array.isArray(value) || (value && typeof value === "object")) {
    need(levels > 0, "FRED-303", "a document is nested too deeply");
    if (Array.isArray(value)) return `[${value.map((part) => canonical(part, levels - 1)).join(",")}]`;
    const parts = Object.keys(value).sort().map((key) => `${canonical(key)}:${canonical(value[key], levels - 1)}`);
    return `{${parts.join(",")}}`;
  }
  if (typeof value === "string") need(!/[\ud800-\udfff]/u.test(value), "FRED-101", "a string is not Unicode");
  if (typeof value === "number") need(Number.isFinite(value), "FRED-101", "a number is not finite");
  return JSON.stringify(value);
}

function readJson(bytes, where) {
  need(bytes.length <= DOCUMENT + ROOM, "FRED-303", `${where} is too large`);
  let text;
  let value;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    value = JSON.parse(text);
  } catch {
    throw new Refusal("FRED-101", `${where} is not JSON`);
  }
  need(canonical(value) === text, "FRED-101", `${where} is not in its one spelling`);
  return value;
}

/* ---- the archive ---- */

function readArchive(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const starts = (at, mark) => at + 4 <= bytes.length && view.getUint32(at, true) === mark;
  need(starts(0, 0x04034b50), "FRED-400", "not a .fred file");
  const entries = new Map();
  const directory = [];
  let at = 0;
  let last = null;
  let seal = 0;
  while (starts(at, 0x04034b50)) {
    need(entries.size < 4096, "FRED-303", "too many entries");
    need(at + 30 <= bytes.length, "FRED-401", "the archive is cut short");
    const length = view.getUint16(at + 26, true);
    const body = at + 30 + length;
    const name = String.fromCharCode(...bytes.subarray(at + 30, Math.min(body, at + 300)));
    const named = length <= 255 && name.length === length && /^[a-z0-9][a-z0-9_.-]*(\/[a-z0-9][a-z0-9_.-]*)*$/.test(name);
    need(named, "FRED-403", "an entry has an unusable name");
    const [version, flags, method, time, date] = [4, 6, 8, 10, 12].map((place) => view.getUint16(at + place, true));
    const [checksum, stored, size] = [14, 18, 22].map((place) => view.getUint32(at + place, true));
    const fixed = version === 20 && flags === 0 && time === 0 && date === 33 && view.getUint16(at + 28, true) === 0;
    const kept = method === 0 ? stored === size : method === 8 && name === "zarr.json";
    need(fixed && kept, "FRED-404", `unusable header of ${name}`);
    const key = (name === "zarr.json" ? "0" : "1") + name;
    need(last === null || last < key, "FRED-402", "entries repeat or are out of order");
    last = key;
    need(body + stored <= bytes.length, "FRED-401", "the archive is cut short");
    let content = bytes.subarray(body, body + stored);
    if (method === 8) {
      content = inflated(content, size, name);
      seal = 4;
    }
    need(crc(CRC32, content) === checksum, "FRED-405", `${name} is damaged: its CRC-32 differs`);
    entries.set(name, content);
    directory.push({ name, at, stored });
    at = body + stored;
  }
  const expected = new Uint8Array(directory.reduce((total, { name }) => total + 46 + name.length, 22));
  const write = new DataView(expected.buffer);
  let to = 0;
  for (const { name, at: from } of directory) {
    write.setUint32(to, 0x02014b50, true);
    write.setUint16(to + 4, 0x314, true);
    expected.set(bytes.subarray(from + 4, from + 30), to + 6); // from the version to the length of the extra field
    write.setUint32(to + 38, 0x81a40000, true);
    write.setUint32(to + 42, from, true);
    expected.set(utf8.encode(name), to + 46);
    to += 46 + name.length;
  }
  write.setUint32(to, 0x06054b50, true);
  write.setUint16(to + 8, directory.length, true);
  write.setUint16(to + 10, directory.length, true);
  write.setUint32(to + 12, to, true);
  write.setUint32(to + 16, at, true);
  write.setUint16(to + 20, seal, true);
  const rest = bytes.subarray(at, bytes.length - seal);
  const same = rest.length === expected.length && rest.every((byte, i) => byte === expected[i]);
  need(same, "FRED-401", "the archive's directory is damaged or contradicts the entries");
  const sealed = !seal || crc(CRC32, bytes.subarray(0, -4)) === view.getUint32(bytes.length - 4, true);
  need(sealed, "FRED-407", "the archive is damaged: its checksum differs");
  return { entries, sizes: new Map(directory.map(({ name, stored }) => [name, stored])) };
}

function inflated(bytes, size, where) {
  need(size <= DOCUMENT + ROOM, "FRED-303", `${where} is too large`);
  try {
    return inflate(bytes, size);
  } catch (error) {
    throw new Refusal("FRED-406", `${where} cannot be inflated: ${error.message}`);
  }
}

/* ---- arrays ---- */

function arrayDocument(name, type, shape, coded) {
  const width = WIDTHS[type];
  const three = shape.length === 3;
  const rows = Math.min(shape[0], Math.max(1, Math.floor(2 ** 24 / (product(shape.slice(1)) * width))));
  const blosc = { blocksize: 0, clevel: 9, cname: "zstd", typesize: width };
  blosc.shuffle = three && type.startsWith("uint") ? "bitshuffle" : "shuffle";
  const chain = [
    ...(three ? [{ configuration: { order: [2, 1, 0] }, name: "transpose" }] : []),
    width > 1 ? { configuration: { endian: "little" }, name: "bytes" } : { name: "bytes" },
    { configuration: blosc, name: "blosc" },
    { name: "crc32c" },
  ];
  return {
    chunk_grid: { configuration: { chunk_shape: [rows, ...shape.slice(1)] }, name: "regular" },
    chunk_key_encoding: { configuration: { separator: "/" }, name: "default" },
    codecs: coded ? CONTEXT : chain,
    data_type: type,
    dimension_names: AXES[name].slice(0, shape.length),
    fill_value: 0,
    node_type: "array",
    shape,
    zarr_format: 3,
  };
}

function readArray(name, entries, documents, budget) {
  const own = `${name}/zarr.json`;
  const there = documents ? Object.hasOwn(documents, name) : entries.has(own);
  need(there, "FRED-502", `the document of ${name} is missing`);
  const document = documents ? documents[name] : readJson(entries.get(own), own);
  const type = document?.data_type;
  const shape = document?.shape;
  need(type !== undefined && Array.isArray(shape), "FRED-502", `${name} has no array document`);
  const kept = name === "coefficients" || name === "base";
  const coded = document.codecs !== undefined && canonical(document.codecs) === canonical(CONTEXT);
  const types = !coded ? STORED[name] : kept ? KEPT.uniform : STORED[name].filter((each) => each.startsWith("uint"));
  need(types.includes(type), "FRED-203", `${name} is of a wrong type`);
  const whole = shape.every((length) => Number.isInteger(length) && length > 0);
  const axes = AXES[name].length;
  const ranked = whole && (shape.length === axes || (name === "labels" && shape.length === 1));
  need(ranked, "FRED-202", `${name} is of a wrong shape`);
  const expected = arrayDocument(name, type, shape, coded);
  need(canonical(document) === canonical(expected), "FRED-502", `${name} is not stored as the format asks`);
  const width = WIDTHS[type];
  const rows = expected.chunk_grid.configuration.chunk_shape[0];
  const chunks = Math.ceil(shape[0] / rows);
  const shares = name === "labels" && axes === shape.length && type === "uint8";
  budget.left -= product(shape) * (shares ? WIDTHS.float16 : width);
  const small = Math.max(...shape) < 2 ** 31 && budget.left >= 0 && chunks <= 4096;
  need(small, "FRED-303", `${name} asks for too much memory`);
  const zeros = "/0".repeat(shape.length - 1);
  const keys = Array.from({ length: chunks }, (_, i) => `${name}/c/${i}${zeros}`);
  const present = [...entries.keys()].filter((key) => key.split("/")[0] === name).length - (documents ? 0 : 1);
  need(present === chunks && keys.every((key) => entries.has(key)), "FRED-503", `chunks of ${name} are missing or too many`);
  const array = new (type.startsWith("float") ? Float32Array : kept ? Int32Array : Uint32Array)(product(shape));
  keys.forEach((key, i) => {
    const body = verified(key, entries.get(key));
    if (coded) {
      const row = product(shape.slice(1));
      need(row <= 2 ** 22, "FRED-506", `rows of ${name} are too long`);
      array.set(decodeContext(key, body, [rows, ...shape.slice(1)], type).subarray(0, array.length - i * rows * row), i * rows * row);
      return;
    }
    const flags = expected.codecs.at(-2).configuration.shuffle === "bitshuffle" ? 0x94 : 0x91;
    const content = decodeBlosc(key, body, width, (rows * product(shape)) / shape[0], flags);
    place(numbersOf(content, type), array, shape, rows, i * rows, kept && !type.startsWith("float"));
  });
  return { array, shape, type };
}

function verified(key, content) {
  const body = content.subarray(0, -4);
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  const whole = content.length >= 4 && crc(CRC32C, body) === view.getUint32(body.length, true);
  need(whole, "FRED-504", `${key} is damaged: its CRC-32C differs`);
  return body;
}

function decodeContext(key, body, shape, type) {
  const bits = 8 * WIDTHS[type];
  const least = type.startsWith("u") ? 0 : -(2 ** (bits - 1));
  const axes = shape.length === 3 ? shape : [shape[0], 1, shape[1] ?? 1];
  try {
    return uncontext(body, axes, least, least + 2 ** bits - 1);
  } catch (error) {
    throw new Refusal("FRED-506", `${key} cannot be decoded: ${error.message}`);
  }
}

function decodeBlosc(key, frame, width, elements, flags) {
  need(frame.length >= 16, "FRED-505", `${key} is no Blosc frame`);
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const size = elements * width;
  const [bytes, block, stored] = [4, 8, 12].map((at) => view.getUint32(at, true));
  const kind = frame[0] === 2 && frame[1] === 1 && (frame[2] & ~2) === flags;
  const right = kind && frame[3] === width && bytes === size && stored === frame.length && block > 0 && block <= size;
  need(right, "FRED-505", `the Blosc header of ${key} contradicts the array`);
  try {
    return unblosc(frame, size);
  } catch (error) {
    throw new Refusal("FRED-505", `${key} cannot be decompressed: ${error.message}`);
  }
}

/* All machines with browsers are little-endian, like the format. */
function numbersOf(bytes, type) {
  const own = bytes.byteOffset % WIDTHS[type] ? bytes.slice() : bytes;
  const make = { uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, float16: Uint16Array, float32: Float32Array };
  const numbers = new make[type](own.buffer, own.byteOffset, own.length / WIDTHS[type]);
  return type === "float16" ? Float32Array.from(numbers, halfToNumber) : numbers;
}

function halfToNumber(half) {
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  const size =
    exponent === 31
      ? fraction ? NaN : Infinity
      : exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24; // prettier-ignore
  return half & 32768 ? -size : size;
}

/* Writes the numbers of a chunk to their rows: for three axes from the order (frequency, channel, row), and on request with the zigzag map undone. */
function place(numbers, array, shape, rows, first, zigzag) {
  const count = Math.min(rows, shape[0] - first);
  const row = array.length / shape[0];
  const [, middle, last] = shape.length === 3 ? shape : [0, 1, row];
  const three = shape.length === 3;
  for (let j = 0; j < last; j++) {
    for (let c = 0; c < middle; c++) {
      for (let i = 0; i < count; i++) {
        const value = numbers[three ? (j * middle + c) * rows + i : i * row + j];
        array[(first + i) * row + c * last + j] = zigzag ? (value >>> 1) ^ -(value & 1) : value;
      }
    }
  }
}

/* ---- metadata ---- */

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const isText = (value) => typeof value === "string";
const isNumber = (value) => typeof value === "number";
const listOf = (test) => (value) => Array.isArray(value) && value.every(test);
const exactly = (required, optional = {}) => (value) =>
  isObject(value) &&
  Object.keys(required).every((key) => Object.hasOwn(value, key)) &&
  Object.entries(value).every(([key, part]) => (Object.hasOwn(required, key) ? required : optional)[key]?.(part));
const NUMBERS = listOf(isNumber);
const COUNTS = listOf(Number.isInteger);
const FIELDS = {
  format: isText,
  version: isText,
  spatial_shape: listOf(Number.isInteger),
  channels: Number.isInteger,
  classes: listOf(isText),
  transform: isText,
  quantization: exactly({ mode: isText }, { step: isNumber, error_max: isNumber, error_rms: isNumber }),
  normalization: exactly({ mean: NUMBERS, std: NUMBERS }),
  whitening: exactly({ method: isText, epsilon: isNumber }, { images: isText, source: isObject }),
  results: listOf(isObject),
  license: isText,
  citation: isText,
};
for (const name of ["mask", "reconstruction", "source", "distillation", "recipe", "writer", "ext"]) FIELDS[name] = isObject;

function checkMetadata(meta) {
  need(isObject(meta) && meta.format === "fred", "FRED-110", "not a fred document");
  need(isText(meta.version) && /^1\.(0|[1-9][0-9]*)$/.test(meta.version), "FRED-111", "an unknown version of the format");
  const required = ["spatial_shape", "channels", "classes", "transform", "quantization"];
  need(required.every((field) => Object.hasOwn(meta, field)), "FRED-112", "fields of the metadata are missing");
  for (const [field, value] of Object.entries(meta)) {
    if (field === "integrity" || field === "counts") continue;
    const known = Object.hasOwn(FIELDS, field);
    need(known || (isObject(value) && value.must_understand === false), "FRED-114", `an unknown field ${field}`);
    need(!known || FIELDS[field](value), "FRED-113", `${field} is of a wrong type`);
  }
  const { spatial_shape: shape, classes, quantization, normalization } = meta;
  const possible = shape.length >= 1 && shape.length <= 3 && shape.every((length) => length >= 1 && length < 2 ** 31);
  need(possible, "FRED-115", "an unusable spatial shape");
  const small = product(shape) <= 2 ** 24 && product(shape) * meta.channels <= 2 ** 28;
  need(small, "FRED-303", "images that are too large");
  need(meta.channels >= 1, "FRED-116", "no channel");
  const named = classes.length > 0 && !classes.includes("") && new Set(classes).size === classes.length;
  need(named, "FRED-117", "class names must be unique and not empty");
  need(TRANSFORMS.includes(meta.transform), "FRED-118", "an unknown transform");
  const { mode, step } = quantization;
  need(Object.hasOwn(KEPT, mode), "FRED-119", "an unknown mode of quantisation");
  need((mode === "uniform") === (step !== undefined) && !(step <= 0), "FRED-119", "an unusable step");
  for (const values of Object.values(normalization ?? {})) {
    need(values.length === meta.channels, "FRED-120", "not one value of the normalisation per channel");
  }
  need(!normalization || Math.min(...normalization.std) > 0, "FRED-120", "a standard deviation that is not above 0");
  const { whitening } = meta;
  const digest = (value) => isText(value) && /^sha256:[0-9a-f]{64}$/.test(value);
  const white = !whitening || (whitening.method === "zca" && whitening.epsilon > 0 && digest(whitening.images ?? `sha256:${"0".repeat(64)}`));
  need(white, "FRED-121", "an unusable whitening");
  const listed = exactly({}, { labels: COUNTS, mask_of: COUNTS });
  const counted = Object.values(isObject(meta.counts) ? meta.counts : {});
  need(meta.counts === undefined || listed(meta.counts), "FRED-113", "counts has a wrong type");
  const usable = counted.length > 0 && counted.flat().every((count) => count >= 0);
  need(meta.counts === undefined || usable, "FRED-122", "unusable counts");
  need(exactly({ content: digest, metadata: digest })(meta.integrity), "FRED-701", "the digests are missing");
}

/* ---- rules across arrays ---- */

function checkArrays(meta, arrays) {
  const { coefficients, frequencies, labels, mask_of: maskOf, base } = arrays;
  const lengths = { channel: meta.channels, class: meta.classes.length };
  for (const [name, { shape }] of Object.entries(arrays)) {
    shape.forEach((length, i) => {
      const axis = AXES[name][i];
      lengths[axis] ??= length;
      need(lengths[axis] === length, "FRED-202", `${name} has another number of ${axis}s`);
    });
  }
  for (const kept of base ? [coefficients, base] : [coefficients]) {
    const [own, other] = [kept, coefficients].map(({ type }) => type.replace(/^u/, ""));
    const typed = own === other && KEPT[meta.quantization.mode].includes(own);
    need(typed, "FRED-203", "the type of the coefficients contradicts the quantisation");
  }
  for (const [name, { array, type }] of Object.entries(arrays)) {
    need(!type.startsWith("float") || array.every(Number.isFinite), "FRED-204", `${name} contains NaN or infinities`);
  }
  const size = product(meta.spatial_shape);
  need(frequencies.array.every((index) => index < size), "FRED-205", "a frequency is outside the spatial shape");
  checkOrder(frequencies, meta.spatial_shape);
  const classes = meta.classes.length;
  const hard = labels.shape.length === 1;
  need(hard === labels.type.startsWith("uint"), "FRED-203", "labels are neither classes nor probabilities");
  if (hard) need(labels.array.every((label) => label < classes), "FRED-207", "a label is not a class");
  else {
    need(labels.array.every((share) => share >= 0), "FRED-208", "a probability is negative");
    for (let at = 0; at < labels.array.length; at += classes) {
      const sum = labels.array.subarray(at, at + classes).reduce((total, share) => total + share, 0);
      need(Math.abs(sum - 1) <= 0.01, "FRED-208", "probabilities do not add up to 1");
    }
  }
  const masks = frequencies.shape[0];
  need(!maskOf || maskOf.array.every((mask) => mask < masks), "FRED-209", "an instance's mask does not exist");
  need(maskOf || (hard && masks === classes), "FRED-210", "the masks of the instances are not known");
  const step = meta.quantization.step ?? 1;
  for (const kept of base ? [coefficients, base] : [coefficients]) {
    need(kept.array.every((value) => Math.abs(value * step) <= 1e30), "FRED-211", "a coefficient is too large");
  }
}

function checkOrder({ array, shape: [masks, count] }, spatialShape) {
  const size = product(spatialShape);
  for (let mask = 0; mask < masks; mask++) {
    let lastSum = -1;
    let lastIndex = -1;
    for (let j = 0; j < count; j++) {
      const index = array[mask * count + j];
      const sum = coarseness(index, spatialShape, size);
      const after = sum > lastSum || (sum === lastSum && index > lastIndex);
      need(after, "FRED-206", `mask ${mask} repeats a frequency or is out of order`);
      lastSum = sum;
      lastIndex = index;
    }
  }
}

function digestParts(meta, arrays) {
  const parts = [];
  const add = (name, type, shape, array) => {
    parts.push(utf8.encode(`${name} ${type} ${shape.join("x")}\n`));
    parts.push(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  };
  for (const name of Object.keys(AXES)) {
    const { array, shape } = arrays[name] ?? (name === "mask_of" ? arrays.labels : {});
    if (!array) continue;
    add(name, array instanceof Float32Array ? "f4" : array instanceof Int32Array ? "i4" : "u4", shape, array);
  }
  const text = (name, value) => add(name, "u1", [utf8.encode(value).length], utf8.encode(value));
  add("spatial_shape", "u4", [meta.spatial_shape.length], Uint32Array.from(meta.spatial_shape));
  text("transform", meta.transform);
  text("quantization.mode", meta.quantization.mode);
  add("quantization.step", "f8", [1], Float64Array.of(meta.quantization.step ?? 1));
  for (const name of meta.normalization ? ["mean", "std"] : []) {
    add(`normalization.${name}`, "f8", [meta.channels], Float64Array.from(meta.normalization[name]));
  }
  if (meta.whitening) {
    text("whitening.method", meta.whitening.method);
    add("whitening.epsilon", "f8", [1], Float64Array.of(meta.whitening.epsilon));
    if (meta.whitening.images) text("whitening.images", meta.whitening.images);
  }
  meta.classes.forEach((name) => text("class", name));
  const whole = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
  return whole;
}

/* ---- the reader ---- */

/* The content of a .fred file, completely verified, or a Refusal with the broken rule. */
async function readFred(bytes) {
  const { entries, sizes } = readArchive(bytes);
  need(entries.has("zarr.json"), "FRED-501", "the root document is missing");
  const root = readJson(entries.get("zarr.json"), "zarr.json");
  const meta = root?.attributes?.fred;
  const documents = root?.consolidated_metadata?.metadata;
  const expected = { attributes: { fred: meta ?? null }, node_type: "group", zarr_format: 3 };
  if (isObject(documents)) expected.consolidated_metadata = { kind: "inline", metadata: documents, must_understand: false };
  need(isObject(root) && meta !== undefined && canonical(root) === canonical(expected), "FRED-501", "not the root of a fred hierarchy");
  need(utf8.encode(canonical(meta, LEVELS)).length <= DOCUMENT, "FRED-303", "the metadata are too large");
  checkMetadata(meta);
  const names = new Set([...[...entries.keys()].map((key) => key.split("/")[0]), ...Object.keys(documents ?? {})]);
  names.delete("zarr.json");
  need([...names].every((name) => Object.hasOwn(AXES, name)), "FRED-503", "an entry that does not belong here");
  const counts = meta.counts ?? {};
  const held = (name) => names.has(name) || Object.hasOwn(counts, name);
  need(["coefficients", "frequencies", "labels"].every(held), "FRED-201", "arrays are missing");
  const budget = { left: Math.min(2 ** 30, Math.max(1000 * bytes.length, 2 ** 26)) };
  const arrays = {};
  for (const name of names) arrays[name] = readArray(name, entries, documents, budget);
  for (const [name, counted] of Object.entries(counts)) arrays[name] = countedArray(name, counted, meta, arrays);
  if (arrays.labels.shape.length === 2 && arrays.labels.type === "uint8") arrays.labels = probabilities(arrays.labels);
  if (arrays.frequencies.type === "uint8") arrays.frequencies = indices(arrays.frequencies, meta.spatial_shape);
  checkArrays(meta, arrays);
  const { metadata, content } = meta.integrity;
  const described = utf8.encode(canonical({ ...meta, integrity: { content } }));
  need(`sha256:${await sha256Of(described)}` === metadata, "FRED-703", "the metadata digest differs: the file was edited");
  const found = `sha256:${await sha256Of(digestParts(meta, arrays))}`;
  need(found === content, "FRED-702", "the content digest differs: the file was damaged or edited");
  return { meta, arrays, digest: found, ledger: ledgerOf(sizes, bytes.length) };
}

/* Labels or masks of sorted instances, from the counts of each value in the metadata. */
function countedArray(name, counted, meta, arrays) {
  need(!arrays[name], "FRED-212", `${name} is stored and counted`);
  const values = name === "labels" ? meta.classes.length : arrays.frequencies.shape[0];
  const [instances] = arrays.coefficients.shape;
  const fits = counted.length === values && counted.reduce((sum, count) => sum + count, 0) === instances;
  need(fits, "FRED-212", `the counts of ${name} do not fit the data`);
  const array = new Uint32Array(instances);
  let at = 0;
  counted.forEach((count, value) => array.fill(value, at, (at += count)));
  return { array, shape: [instances], type: "uint32" };
}

/* Soft labels that are stored as integers: each is divided by the sum of its row, which is the same for all rows. */
function probabilities({ array, shape }) {
  const [rows, classes] = shape;
  const sums = Array.from({ length: rows }, (_, i) => array.subarray(i * classes, (i + 1) * classes).reduce((a, b) => a + b, 0));
  const [whole] = sums;
  const usable = [1, 2, 4, 8, 16, 32, 64, 128].includes(whole) && sums.every((sum) => sum === whole);
  need(usable, "FRED-213", "the integers do not represent probabilities");
  return { array: Float32Array.from(array, (part) => part / whole), shape, type: "float16" };
}

/* Masks that are stored as bits, in canonical order: the indices of those that are set. */
function indices({ array, shape: [masks, length] }, spatialShape) {
  const size = product(spatialShape);
  const rows = Array.from({ length: masks }, (_, i) => array.subarray(i * length, (i + 1) * length));
  const kept = rows.map((row) => row.reduce((sum, bit) => sum + bit, 0));
  const usable = length <= size && kept[0] > 0 && kept.every((count) => count === kept[0]) && array.every((bit) => bit <= 1);
  need(usable && masks * length <= 2 ** 17, "FRED-214", "the bits are not those of masks");
  const order = Uint32Array.from({ length: size }, (_, index) => index);
  const sums = Float64Array.from(order, (index) => coarseness(index, spatialShape, size));
  order.sort((a, b) => sums[a] - sums[b] || a - b);
  const found = rows.flatMap((row) => Array.from(row.keys()).filter((place) => row[place]));
  return { array: Uint32Array.from(found, (place) => order[place]), shape: [masks, kept[0]], type: "uint32" };
}

/* The sum of the positions of a frequency over the lengths of their axes, times the spatial size. */
function coarseness(index, spatialShape, size) {
  let rest = index;
  let sum = 0;
  for (let axis = spatialShape.length - 1; axis >= 0; axis--) {
    sum += (rest % spatialShape[axis]) * (size / spatialShape[axis]);
    rest = Math.floor(rest / spatialShape[axis]);
  }
  return sum;
}

/* The bytes of each part of the file. */
function ledgerOf(sizes, total) {
  const held = { coefficients: 0, frequencies: 0, labels: 0, base: 0, metadata: 0 };
  for (const [name, stored] of sizes) {
    const [owner] = name.split("/");
    if (name.endsWith("zarr.json")) held.metadata += stored;
    else held[owner === "mask_of" ? "labels" : owner] += stored;
  }
  return { ...held, container: total - Object.values(held).reduce((sum, part) => sum + part, 0), total };
}

/* ---- images ---- */

/* A[x, u] of a transform, stored by frequency: element u * size + x. Only dct supports other sizes than n. */
function synthesisMatrix(name, n, size = n) {
  const matrix = new Float64Array(n * size);
  const fill = (value) => {
    for (let u = 0; u < n; u++) for (let x = 0; x < size; x++) matrix[u * size + x] = value(x, u);
  };
  if (name === "dct") {
    fill((x, u) => Math.sqrt((u ? 2 : 1) / n) * Math.cos((Math.PI * (((2 * x + 1) * u) % (4 * size))) / (2 * size)));
    return matrix;
  }
  need(size === n, "FRED-118", "only dct can be decoded at another size");
  if (name === "identity") fill((x, u) => (x === u ? 1 : 0));
  else if (name === "downsample") fill((x, u) => (x >> 1 === u ? Math.sqrt(1 / Math.min(n - 2 * u, 2)) : 0));
  else if (name === "hartley") {
    fill((x, u) => {
      const wave = u % 2 ? (u + 1) / 2 : (n - u / 2) % n;
      const t = (2 * Math.PI * ((x * wave) % n)) / n;
      return Math.sqrt(1 / n) * (Math.cos(t) + Math.sin(t));
    });
  } else {
    const columns = waveletColumns(name, n);
    fill((x, u) => columns[u][x]);
  }
  return matrix;
}

function waveletColumns(name, n) {
  const r = Math.sqrt(3);
  const g = name === "haar" ? [Math.SQRT1_2, Math.SQRT1_2] : [1 - r, 3 - r, 3 + r, 1 + r].map((tap) => tap / (4 * Math.SQRT2));
  const h = g.map((_, j) => (j % 2 ? 1 : -1) * g[g.length - 1 - j]);
  let averages = Array.from({ length: n }, (_, i) => Float64Array.from({ length: n }, (_, x) => (x === i ? 1 : 0)));
  let details = [];
  while (averages.length > 1) {
    const m = averages.length - (averages.length % 2);
    const combine = (taps, o) => {
      const column = new Float64Array(n);
      taps.forEach((tap, j) => {
        const from = averages[(((g.length / 2 + 2 * o - j) % m) + m) % m];
        for (let x = 0; x < n; x++) column[x] += tap * from[x];
      });
      return column;
    };
    const pairs = Array.from({ length: m / 2 }, (_, o) => o);
    details = [...pairs.map((o) => combine(h, o)), ...details];
    averages = [...pairs.map((o) => combine(g, o)), ...averages.slice(m)];
  }
  return [...averages, ...details];
}

/* Decodes images of a file that `readFred` has read, at one size; positions and matrices are computed once. */
class Images {
  constructor(file, size = file.meta.spatial_shape) {
    const { meta, arrays } = file;
    this.file = file;
    this.channels = meta.channels;
    this.k = arrays.coefficients.shape[2];
    this.step = meta.quantization.step ?? 1;
    this.size = size;
    const lengths = meta.spatial_shape;
    this.matrices = lengths.map((n, axis) => synthesisMatrix(meta.transform, n, size[axis]));
    const depths = lengths.slice(0, -2);
    [this.rows, this.columns] = [1, 1, ...lengths].slice(-2);
    [this.height, this.width] = [1, 1, ...size].slice(-2);
    this.depth = depths.length ? size[0] : 1;
    this.acrossRows = lengths.length > 1 ? this.matrices.at(-2) : Float64Array.of(1);
    this.acrossColumns = this.matrices.at(-1);
    this.lines = new Float64Array(this.rows * this.width);
    this.used = new Uint8Array(this.rows);
  }

  maskOf(instance) {
    return (this.file.arrays.mask_of ?? this.file.arrays.labels).array[instance];
  }

  /* The position of kept frequency j of a mask: (depth, row, column). */
  position(mask, j) {
    const index = this.file.arrays.frequencies.array[mask * this.k + j];
    const plane = this.rows * this.columns;
    return [Math.floor(index / plane), Math.floor((index % plane) / this.columns), index % this.columns];
  }

  /* The value of coefficient j of a channel of an instance, including the base. */
  value(instance, channel, j) {
    const { coefficients, base } = this.file.arrays;
    const mask = this.maskOf(instance);
    const own = coefficients.array[(instance * this.channels + channel) * this.k + j];
    return (own + (base ? base.array[(mask * this.channels + channel) * this.k + j] : 0)) * this.step;
  }

  /* Float32 (channel, height, width) of an instance from its first k frequencies; of a volume, the slice at `depth`. */
  image(instance, k = this.k, depth = 0) {
    const plane = this.height * this.width;
    const out = new Float32Array(this.channels * plane);
    const mask = this.maskOf(instance);
    for (let channel = 0; channel < this.channels; channel++) {
      const value = (j) => this.value(instance, channel, j);
      this.synthesise(mask, k, value, depth, out.subarray(channel * plane, (channel + 1) * plane));
    }
    return out;
  }

  /* The pattern of one kept frequency, (height, width). */
  basis(mask, j, depth = 0) {
    const out = new Float32Array(this.height * this.width);
    this.synthesise(mask, this.k, (other) => (other === j ? 1 : 0), depth, out);
    return out;
  }

  synthesise(mask, k, value, depth, out) {
    const { lines, used, width, height, rows, acrossRows, acrossColumns } = this;
    lines.fill(0);
    used.fill(0);
    for (let j = 0; j < k; j++) {
      const [deep, row, column] = this.position(mask, j);
      const weight = value(j) * (this.matrices.length === 3 ? this.matrices[0][deep * this.depth + depth] : 1);
      if (weight === 0) continue;
      used[row] = 1;
      for (let x = 0, to = row * width, from = column * width; x < width; x++) lines[to + x] += weight * acrossColumns[from + x];
    }
    const sums = new Float64Array(width);
    for (let y = 0; y < height; y++) {
      sums.fill(0);
      for (let row = 0; row < rows; row++) {
        if (!used[row]) continue;
        const weight = acrossRows[row * height + y];
        for (let x = 0, from = row * width; x < width; x++) sums[x] += weight * lines[from + x];
      }
      out.set(sums, y * width);
    }
  }

  /* An image's values brought to 0..1 by the recorded normalisation, in place; they may lie a little outside. Whitened
     images cannot be brought there: they are shown as they are, 0 as mid grey and three standard deviations a side. */
  toUnit(image) {
    const { normalization, whitening } = this.file.meta;
    if (whitening) {
      for (let i = 0; i < image.length; i++) image[i] = 0.5 + image[i] / 6;
      return image;
    }
    if (!normalization) return image;
    const plane = image.length / this.channels;
    for (let i = 0; i < image.length; i++) {
      const channel = Math.floor(i / plane);
      image[i] = image[i] * normalization.std[channel] + normalization.mean[channel];
    }
    return image;
  }
}
