/* Arrays from their documents and chunks. */

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
