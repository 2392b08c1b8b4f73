/* Reads .fred files by the specification of version 1.0 (spec/fred-1.0.md). */

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
