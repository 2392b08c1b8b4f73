/* Elements of the page, and numbers as text. */

const find = (id) => document.getElementById(id);
const grouped = (value) => value.toLocaleString("en");
const short = (value) => String(Number(value.toPrecision(4))).replace("-", "−");
const plural = (count, noun, many = `${noun}s`) => `${grouped(count)} ${count === 1 ? noun : many}`;

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function kilobytes(size) {
  if (size < 10_000) return `${grouped(size)} B`;
  const rounded = (value) => value.toLocaleString("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
  return size < 10_000_000 ? `${rounded(size / 1000)} kB` : `${rounded(size / 1e6)} MB`;
}
