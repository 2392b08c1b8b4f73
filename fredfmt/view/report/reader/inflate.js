/* Deflate (RFC 1951): decompresses a raw stream to exactly the declared number of bytes. */

const LENGTH_BASES = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258];
const LENGTH_BITS = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const DISTANCE_BASES = Array.from({ length: 30 }, (_, i) => (i < 4 ? i + 1 : 1 + (2 + (i % 2)) * 2 ** ((i >> 1) - 1)));
const CODE_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/* A canonical Huffman code from the lengths of its words: how many words of each length, and the symbols in order. */
function huffman(lengths) {
  const counts = new Uint16Array(16);
  for (const length of lengths) counts[length]++;
  const starts = new Uint16Array(17);
  for (let length = 1; length < 16; length++) starts[length + 1] = starts[length] + counts[length];
  const symbols = new Uint16Array(lengths.length);
  lengths.forEach((length, symbol) => {
    if (length) symbols[starts[length]++] = symbol;
  });
  let left = 1;
  for (let length = 1; length < 16; length++) {
    left = 2 * left - counts[length];
    ensure(left >= 0, "a Huffman code with too many words");
  }
  return { counts, symbols };
}

const FIXED = [
  huffman(Array.from({ length: 288 }, (_, i) => (i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8))),
  huffman(Array.from({ length: 30 }, () => 5)),
];

function inflate(bytes, size) {
  const out = new Uint8Array(size);
  let to = 0;
  let at = 0;
  let buffer = 0;
  let held = 0;

  function bits(count) {
    while (held < count) {
      ensure(at < bytes.length, "a deflate stream is cut short");
      buffer |= bytes[at++] << held;
      held += 8;
    }
    const value = buffer & ((1 << count) - 1);
    buffer >>>= count;
    held -= count;
    return value;
  }

  function symbol({ counts, symbols }) {
    let code = 0;
    let first = 0;
    let index = 0;
    for (let length = 1; length < 16; length++) {
      code |= bits(1);
      if (code - first < counts[length]) return symbols[index + code - first];
      index += counts[length];
      first = (first + counts[length]) << 1;
      code <<= 1;
    }
    throw new Error("a word that the Huffman code does not have");
  }

  function storedBlock() {
    buffer = 0;
    held = 0;
    ensure(at + 4 <= bytes.length, "a deflate stream is cut short");
    const length = bytes[at] | (bytes[at + 1] << 8);
    ensure((length ^ 0xffff) === (bytes[at + 2] | (bytes[at + 3] << 8)), "a stored block of another length");
    at += 4;
    ensure(at + length <= bytes.length && to + length <= size, "a deflate stream is cut short or too long");
    out.set(bytes.subarray(at, at + length), to);
    at += length;
    to += length;
  }

  function codes() {
    const literals = bits(5) + 257;
    const distances = bits(5) + 1;
    const order = new Uint8Array(19);
    const used = bits(4) + 4;
    for (let i = 0; i < used; i++) order[CODE_ORDER[i]] = bits(3);
    const code = huffman(order);
    const lengths = [];
    while (lengths.length < literals + distances) {
      const found = symbol(code);
      if (found < 16) lengths.push(found);
      else {
        ensure(found > 16 || lengths.length > 0, "nothing to repeat");
        const [value, count] = found === 16 ? [lengths.at(-1), 3 + bits(2)] : [0, found === 17 ? 3 + bits(3) : 11 + bits(7)];
        for (let i = 0; i < count; i++) lengths.push(value);
      }
    }
    ensure(lengths.length === literals + distances && literals <= 286 && distances <= 30, "too many code lengths");
    return [huffman(lengths.slice(0, literals)), huffman(lengths.slice(literals))];
  }

  for (let last = 0; !last; ) {
    last = bits(1);
    const kind = bits(2);
    ensure(kind < 3, "a deflate block of an unknown kind");
    if (kind === 0) {
      storedBlock();
      continue;
    }
    const [literal, distance] = kind === 1 ? FIXED : codes();
    for (let found = symbol(literal); found !== 256; found = symbol(literal)) {
      if (found < 256) {
        ensure(to < size, "a deflate stream that is longer than declared");
        out[to++] = found;
        continue;
      }
      ensure(found < 286, "a length that deflate does not have");
      const length = LENGTH_BASES[found - 257] + bits(LENGTH_BITS[found - 257]);
      const far = symbol(distance);
      ensure(far < 30, "a distance that deflate does not have");
      const back = DISTANCE_BASES[far] + bits(far < 4 ? 0 : (far >> 1) - 1);
      ensure(back <= to && to + length <= size, "a deflate stream points outside its content");
      for (let i = 0; i < length; i++, to++) out[to] = out[to - back];
    }
  }
  ensure(to === size && at === bytes.length, "a deflate stream of another size");
  return out;
}
