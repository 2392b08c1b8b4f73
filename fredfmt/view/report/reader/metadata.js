/* What metadata and arrays must be, and what their digest covers. */

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const isText = (value) => typeof value === "string";
const isNumber = (value) => typeof value === "number";
const listOf = (test) => (value) => Array.isArray(value) && value.every(test);
const exactly = (required, optional = {}) => (value) =>
  isObject(value) &&
  Object.keys(required).every((key) => Object.hasOwn(value, key)) &&
  Object.entries(value).every(([key, part]) => (Object.hasOwn(required, key) ? required : optional)[key]?.(part));
const KEPT = { uniform: ["int16", "int32"], float16: ["float16"], float32: ["float32"] };
const TRANSFORMS = ["dct", "hartley", "haar", "db2", "identity", "downsample"];
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
  channel_transform: isText,
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
  need((meta.channel_transform ?? "dct") === "dct", "FRED-123", "an unknown channel transform");
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
  if (meta.channel_transform) text("channel_transform", meta.channel_transform);
  meta.classes.forEach((name) => text("class", name));
  const whole = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
  return whole;
}
