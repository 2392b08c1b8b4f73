/* JSON documents in their one spelling, and the error of a file that breaks a rule of the specification (spec/fred-1.0.md). */

class Refusal extends Error {
  constructor(rule, what) {
    super(`${what} [${rule}]`);
    this.rule = rule;
  }
}

function need(holds, rule, what) {
  if (!holds) throw new Refusal(rule, what);
}

const product = (lengths) => lengths.reduce((total, length) => total * length, 1);
const utf8 = new TextEncoder();
const [DOCUMENT, LEVELS, ROOM] = [2 ** 20, 16, 2 ** 16];

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
