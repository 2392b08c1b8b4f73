/* The report page's decoder as a reader that spec/conformance/run.py drives: paths on stdin, a line of JSON each on stdout.
   A path may be followed by a tab and options: {"size": [h, w], "k": 3, "normalized": false, "own_sha": true};
   {"frame": SIZE} says that the file is a Blosc frame of so many bytes, {"deflated": SIZE} a deflate stream. */
const fs = require("fs");
const path = require("path");
const readline = require("readline");

const folder = path.join(__dirname, "..", "..", "..", "fredfmt", "view", "report", "reader");
const sources = fs.readdirSync(folder).map((name) => fs.readFileSync(path.join(folder, name), "utf8"));
const { readFred, Images, Refusal, unblosc, inflate } = new Function(`"use strict";${sources.join("\n")};return { readFred, Images, Refusal, unblosc, inflate };`)();

function valuesOf(file, { size, k, normalized = true }) {
  const images = new Images(file, size);
  const count = file.arrays.coefficients.shape[0];
  const plane = images.height * images.width;
  const values = new Float64Array(count * images.channels * images.depth * plane);
  for (let i = 0; i < count; i++) {
    for (let depth = 0; depth < images.depth; depth++) {
      const made = images.image(i, k, depth);
      const image = normalized ? made : images.toUnit(made);
      for (let c = 0; c < images.channels; c++) {
        values.set(image.subarray(c * plane, (c + 1) * plane), ((i * images.channels + c) * images.depth + depth) * plane);
      }
    }
  }
  return { shape: [count, images.channels, ...images.size], values: Buffer.from(values.buffer).toString("base64") };
}

function unpacked(unpack, name, size) {
  try {
    return { bytes: Buffer.from(unpack(new Uint8Array(fs.readFileSync(name)), size)).toString("base64") };
  } catch (error) {
    return { refused: error.message };
  }
}

async function answer(line) {
  const [name, options = "{}"] = line.split("\t");
  const asked = JSON.parse(options);
  if (asked.frame !== undefined) return unpacked(unblosc, name, asked.frame);
  if (asked.deflated !== undefined) return unpacked(inflate, name, asked.deflated);
  if (!name.endsWith(".fred")) return { valid: false, supported: false };
  if (asked.own_sha) Object.defineProperty(globalThis, "crypto", { value: undefined, configurable: true });
  try {
    const file = await readFred(new Uint8Array(fs.readFileSync(name)));
    const { array, shape } = file.arrays.labels;
    const labels = Array.from(array);
    const rows = shape.length === 1 ? labels : Array.from({ length: shape[0] }, (_, i) => labels.slice(i * shape[1], (i + 1) * shape[1]));
    return { valid: true, findings: [], digest: file.digest, ledger: file.ledger, decoded: { ...valuesOf(file, asked), labels: rows } };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { valid: false, findings: [error.rule], message: error.message };
  }
}

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await answer(line))}\n`);
  }
})();
