/* Zstandard (RFC 8878): decompresses to exactly as many bytes as the target has. No dictionaries. */

const MOST_BLOCK = 1 << 17;

function ensure(holds, what) {
  if (!holds) throw new Error(what);
}

const highestBit = (value) => 31 - Math.clz32(value);

/* Bits of a stream that is read from its last byte to its first; before the first byte there are zeros. */
class BackwardBits {
  constructor(bytes, start, end) {
    ensure(end > start && end <= bytes.length && bytes[end - 1], "a bit stream without its end mark");
    this.bytes = bytes;
    this.start = start;
    this.left = (end - start - 1) * 8 + highestBit(bytes[end - 1]);
  }

  peek(count) {
    const from = this.left - count;
    if (from < 0) return this.left > 0 ? this.at(0, this.left) << -from : 0;
    return this.at(from, count);
  }

  at(from, count) {
    const { bytes } = this;
    const byte = this.start + (from >> 3);
    const last = bytes.length - 1;
    const word =
      bytes[byte] |
      (byte < last ? bytes[byte + 1] << 8 : 0) |
      (byte + 1 < last ? bytes[byte + 2] << 16 : 0) |
      (byte + 2 < last ? bytes[byte + 3] << 24 : 0);
    return (word >>> (from & 7)) & ((1 << count) - 1);
  }

  read(count) {
    if (count > 16) {
      const high = this.read(count - 16);
      return high * 65536 + this.read(16);
    }
    const value = count ? this.peek(count) : 0;
    this.left -= count;
    return value;
  }
}

/* The probabilities of an FSE table; returns the table and the byte after them. */
function readFse(bytes, start, end, mostLog, mostSymbol) {
  let bit = start * 8;
  const peek = (count) => {
    let value = 0;
    for (let i = 0; i < count; i++) {
      const byte = (bit + i) >> 3;
      if (byte < end) value |= ((bytes[byte] >> ((bit + i) & 7)) & 1) << i;
    }
    return value;
  };
  const log = peek(4) + 5;
  bit += 4;
  ensure(log <= mostLog, "an FSE table that is too large");
  const counts = [];
  let left = 1 << log;
  while (left > 0) {
    ensure(counts.length <= mostSymbol, "an FSE table of too many symbols");
    const bits = highestBit(left + 1) + 1;
    const low = (1 << (bits - 1)) - 1;
    const spare = (1 << bits) - 2 - left;
    let value = peek(bits);
    if ((value & low) < spare) {
      value &= low;
      bit += bits - 1;
    } else {
      if (value > low) value -= spare;
      bit += bits;
    }
    const count = value - 1;
    left -= Math.abs(count);
    counts.push(count);
    for (let more = count === 0 ? 3 : 0; more === 3; ) {
      more = peek(2);
      bit += 2;
      for (let i = 0; i < more; i++) counts.push(0);
    }
  }
  const next = (bit + 7) >> 3;
  ensure(left === 0 && counts.length <= mostSymbol + 1 && next <= end, "an FSE table that does not add up");
  return [fseTable(counts, log), next];
}

function fseTable(counts, log) {
  const size = 1 << log;
  const symbols = new Uint8Array(size);
  const next = counts.map((count) => (count === -1 ? 1 : count));
  let high = size - 1;
  counts.forEach((count, symbol) => {
    if (count === -1) symbols[high--] = symbol;
  });
  let at = 0;
  counts.forEach((count, symbol) => {
    for (let i = 0; i < count; i++) {
      symbols[at] = symbol;
      do at = (at + (size >> 1) + (size >> 3) + 3) & (size - 1);
      while (at > high);
    }
  });
  const bits = new Uint8Array(size);
  const bases = new Uint16Array(size);
  for (let state = 0; state < size; state++) {
    const count = next[symbols[state]]++;
    bits[state] = log - highestBit(count);
    bases[state] = (count << bits[state]) - size;
  }
  return { log, symbols, bits, bases };
}

const oneSymbol = (symbol) => ({ log: 0, symbols: [symbol], bits: [0], bases: [0] });

/* A Huffman tree; returns a table by the next `log` bits and the byte after its description. */
function readHuffman(bytes, start, end) {
  ensure(start < end, "a Huffman tree is missing");
  const head = bytes[start++];
  const weights = [];
  if (head >= 128) {
    const count = head - 127;
    ensure(start + ((count + 1) >> 1) <= end, "a Huffman tree is cut short");
    for (let i = 0; i < count; i++) weights.push(i & 1 ? bytes[start + (i >> 1)] & 15 : bytes[start + (i >> 1)] >> 4);
    start += (count + 1) >> 1;
  } else {
    ensure(start + head <= end, "a Huffman tree is cut short");
    const [table, first] = readFse(bytes, start, start + head, 6, 15);
    const stream = new BackwardBits(bytes, first, start + head);
    const states = [stream.read(table.log), stream.read(table.log)];
    ensure(stream.left >= 0, "a Huffman tree is cut short");
    for (let turn = 0; ; turn ^= 1) {
      const state = states[turn];
      weights.push(table.symbols[state]);
      ensure(weights.length < 255, "a Huffman tree of too many symbols");
      states[turn] = table.bases[state] + stream.read(table.bits[state]);
      if (stream.left < 0) {
        weights.push(table.symbols[states[turn ^ 1]]);
        break;
      }
    }
    start += head;
  }
  const sum = weights.reduce((total, weight) => total + (weight ? 2 ** (weight - 1) : 0), 0);
  ensure(sum > 0, "a Huffman tree without symbols");
  const log = highestBit(sum) + 1;
  const rest = 2 ** log - sum;
  ensure(log <= 11 && (rest & (rest - 1)) === 0, "a Huffman tree that does not add up");
  weights.push(highestBit(rest) + 1);
  const table = { log, symbols: new Uint8Array(1 << log), bits: new Uint8Array(1 << log) };
  let at = 0;
  for (let weight = 1; weight <= log; weight++) {
    weights.forEach((own, symbol) => {
      if (own !== weight) return;
      const width = 1 << (weight - 1);
      table.symbols.fill(symbol, at, at + width);
      table.bits.fill(log + 1 - weight, at, at + width);
      at += width;
    });
  }
  return [table, start];
}

function decodeHuffman(table, bytes, start, end, target, from, to) {
  const stream = new BackwardBits(bytes, start, end);
  const { log, symbols, bits } = table;
  for (let at = from; at < to; at++) {
    const code = stream.peek(log);
    target[at] = symbols[code];
    stream.left -= bits[code];
  }
  ensure(stream.left === 0, "a Huffman stream of the wrong length");
}

/* The literals of a block; returns them and the byte after their section. */
function readLiterals(bytes, start, end, memory) {
  ensure(start < end, "a block without literals");
  const kind = bytes[start] & 3;
  const format = (bytes[start] >> 2) & 3;
  const head = kind < 2 ? [1, 2, 1, 3][format] : [3, 3, 4, 5][format];
  ensure(start + head <= end, "literals are cut short");
  let field = 0;
  for (let i = head - 1; i >= 0; i--) field = field * 256 + bytes[start + i];
  start += head;
  if (kind < 2) {
    const size = Math.floor(field / (format & 1 ? 16 : 8));
    ensure(size <= MOST_BLOCK, "too many literals");
    const stored = kind ? 1 : size;
    ensure(start + stored <= end, "literals are cut short");
    const literals = kind ? new Uint8Array(size).fill(bytes[start]) : bytes.subarray(start, start + size);
    return [literals, start + stored];
  }
  const bits = [10, 10, 14, 18][format];
  const size = Math.floor(field / 16) % 2 ** bits;
  const stop = start + Math.floor(field / 2 ** (4 + bits));
  ensure(size <= MOST_BLOCK && stop <= end, "literals are cut short");
  if (kind === 2) [memory.huffman, start] = readHuffman(bytes, start, stop);
  ensure(memory.huffman, "no Huffman tree to repeat");
  const literals = new Uint8Array(size);
  if (format === 0) {
    decodeHuffman(memory.huffman, bytes, start, stop, literals, 0, size);
    return [literals, stop];
  }
  ensure(start + 6 <= stop, "literals are cut short");
  const part = (size + 3) >> 2;
  let at = start + 6;
  for (let i = 0; i < 4; i++) {
    const last = i === 3 ? stop : at + bytes[start + 2 * i] + bytes[start + 2 * i + 1] * 256;
    ensure(last <= stop && part * i <= size, "literals are cut short");
    decodeHuffman(memory.huffman, bytes, at, last, literals, part * i, Math.min(size, part * (i + 1)));
    at = last;
  }
  return [literals, stop];
}

/* Codes of literal and match lengths: from `first` on, each code's lengths follow those of the code before it. */
function lengthCodes(first, plain, extra) {
  const bits = [...Array(plain).fill(0), ...extra];
  const bases = [];
  bits.reduce((base, count) => (bases.push(base), base + 2 ** count), first);
  return { bits, bases };
}

const LITERAL_LENGTHS = lengthCodes(0, 16, [1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
const MATCH_LENGTHS = lengthCodes(3, 32, [1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
const PREDEFINED = {
  literals: fseTable([4, 3, ...Array(6).fill(2), ...Array(5).fill(2), 1, 1, 1, ...Array(9).fill(2), 3, 2,
    ...Array(5).fill(1), -1, -1, -1, -1], 6),
  offsets: fseTable([...Array(6).fill(1), 2, 2, 2, ...Array(15).fill(1), ...Array(5).fill(-1)], 5),
  matches: fseTable([1, 4, 3, 2, 2, 2, 2, 2, 2, ...Array(37).fill(1), ...Array(7).fill(-1)], 6),
}; // prettier-ignore
const MOST = { literals: [9, 35], offsets: [8, 31], matches: [9, 52] };

function decodeBlock(bytes, start, end, target, from, frameStart, memory) {
  let literals;
  [literals, start] = readLiterals(bytes, start, end, memory);
  ensure(start < end, "a block without sequences");
  let count = bytes[start++];
  if (count >= 128) {
    ensure(start + (count === 255 ? 2 : 1) <= end, "sequences are cut short");
    if (count === 255) {
      count = bytes[start] + bytes[start + 1] * 256 + 0x7f00;
      start += 2;
    } else count = ((count - 128) << 8) + bytes[start++];
  }
  let at = from;
  let used = 0;
  if (count === 0) ensure(start === end, "bytes after the last sequence");
  else {
    ensure(start < end && (bytes[start] & 3) === 0, "unusable modes of sequences");
    const modes = bytes[start++];
    ["literals", "offsets", "matches"].forEach((name, i) => {
      const mode = (modes >> (6 - 2 * i)) & 3;
      if (mode === 0) memory[name] = PREDEFINED[name];
      if (mode === 1) {
        ensure(start < end && bytes[start] <= MOST[name][1], "unusable symbol of sequences");
        memory[name] = oneSymbol(bytes[start++]);
      }
      if (mode === 2) [memory[name], start] = readFse(bytes, start, end, ...MOST[name]);
      ensure(memory[name], "no table of sequences to repeat");
    });
    const stream = new BackwardBits(bytes, start, end);
    const { literals: tableL, offsets: tableO, matches: tableM, recent } = memory;
    let stateL = stream.read(tableL.log);
    let stateO = stream.read(tableO.log);
    let stateM = stream.read(tableM.log);
    for (let i = 0; i < count; i++) {
      const codeO = tableO.symbols[stateO];
      const codeM = tableM.symbols[stateM];
      const codeL = tableL.symbols[stateL];
      ensure(codeO <= 30, "an offset that is too large");
      const value = 2 ** codeO + stream.read(codeO);
      const match = MATCH_LENGTHS.bases[codeM] + stream.read(MATCH_LENGTHS.bits[codeM]);
      const length = LITERAL_LENGTHS.bases[codeL] + stream.read(LITERAL_LENGTHS.bits[codeL]);
      if (i + 1 < count) {
        stateL = tableL.bases[stateL] + stream.read(tableL.bits[stateL]);
        stateM = tableM.bases[stateM] + stream.read(tableM.bits[stateM]);
        stateO = tableO.bases[stateO] + stream.read(tableO.bits[stateO]);
      }
      ensure(stream.left >= 0, "sequences are cut short");
      let offset = value - 3;
      if (value <= 3) {
        const place = value - (length ? 1 : 0);
        offset = place === 3 ? recent[0] - 1 : recent[place];
        if (place > 1) recent[2] = recent[1];
        if (place > 0) recent[1] = recent[0];
      } else {
        recent[2] = recent[1];
        recent[1] = recent[0];
      }
      recent[0] = offset;
      ensure(used + length <= literals.length, "more literals used than there are");
      ensure(at + length + match <= target.length, "more bytes than declared");
      ensure(offset > 0 && offset <= at + length - frameStart, "an offset before the first byte");
      for (const stop = at + length; at < stop; ) target[at++] = literals[used++];
      for (const stop = at + match; at < stop; at++) target[at] = target[at - offset];
    }
    ensure(stream.left === 0, "sequences of the wrong length");
  }
  ensure(at + literals.length - used <= target.length, "more bytes than declared");
  target.set(literals.subarray(used), at);
  at += literals.length - used;
  ensure(at - from <= MOST_BLOCK, "a block that is too large");
  return at;
}

function decodeFrame(bytes, start, target, from) {
  const little = (at, count) => {
    ensure(at + count <= bytes.length, "a frame is cut short");
    let value = 0;
    for (let i = count - 1; i >= 0; i--) value = value * 256 + bytes[at + i];
    return value;
  };
  const head = little(start++, 1);
  ensure((head & 8) === 0, "a reserved bit is set");
  const single = (head >> 5) & 1;
  start += 1 - single;
  const identifier = [0, 1, 2, 4][head & 3];
  ensure(little(start, identifier) === 0, "a dictionary is required");
  start += identifier;
  const width = [single, 2, 4, 8][head >> 6];
  const declared = width ? little(start, width) + (width === 2 ? 256 : 0) : null;
  start += width;
  const memory = { recent: [1, 4, 8] };
  let at = from;
  for (let last = 0; !last; ) {
    const block = little(start, 3);
    start += 3;
    last = block & 1;
    const kind = (block >> 1) & 3;
    const size = block >> 3;
    ensure(kind < 3 && size <= MOST_BLOCK, "an unusable block");
    const stored = kind === 1 ? 1 : size;
    ensure(start + stored <= bytes.length, "a block is cut short");
    if (kind === 2) at = decodeBlock(bytes, start, start + stored, target, at, from, memory);
    else {
      ensure(at + size <= target.length, "more bytes than declared");
      if (kind === 1) target.fill(bytes[start], at, at + size);
      else target.set(bytes.subarray(start, start + stored), at);
      at += size;
    }
    start += stored;
  }
  ensure(declared === null || declared === at - from, "a frame of another size than declared");
  start += head & 4; // a checksum of the content; CRC-32C and the digest have covered it
  ensure(start <= bytes.length, "a frame is cut short");
  return [start, at];
}

function unzstd(bytes, target) {
  let start = 0;
  let at = 0;
  while (start < bytes.length) {
    ensure(start + 4 <= bytes.length, "a frame is cut short");
    const magic = (bytes[start] | (bytes[start + 1] << 8) | (bytes[start + 2] << 16) | (bytes[start + 3] << 24)) >>> 0;
    ensure(magic === 0xfd2fb528, "not a Zstandard frame");
    [start, at] = decodeFrame(bytes, start + 4, target, at);
  }
  ensure(at === target.length, "fewer bytes than declared");
}
