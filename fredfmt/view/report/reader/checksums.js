/* Checksums of bytes: CRC-32 and CRC-32C as numbers, SHA-256 in hexadecimal. */

function crcTable(polynomial) {
  const table = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ polynomial : value >>> 1;
    table[byte] = value;
  }
  return table;
}

const CRC32 = crcTable(0xedb88320);
const CRC32C = crcTable(0x82f63b78);

function crc(table, bytes) {
  let value = -1;
  for (let i = 0; i < bytes.length; i++) value = table[(value ^ bytes[i]) & 255] ^ (value >>> 8);
  return ~value >>> 0;
}

/* The fractional parts of the square or cube roots of the first primes, 32 bits of each (FIPS 180-4, exactly). */
function primeRoots(count, degree) {
  const constants = new Int32Array(count);
  for (let found = 0, n = 2n; found < count; n++) {
    let prime = true;
    for (let d = 2n; d * d <= n; d++) if (n % d === 0n) prime = false;
    if (!prime) continue;
    const scaled = n << BigInt(32 * degree);
    let low = 0n;
    for (let high = 1n << 40n; high - low > 1n; ) {
      const middle = (low + high) >> 1n;
      if (middle ** BigInt(degree) <= scaled) low = middle;
      else high = middle;
    }
    constants[found++] = Number(BigInt.asIntN(32, low));
  }
  return constants;
}

function sha256(bytes) {
  const round = primeRoots(64, 3);
  const state = primeRoots(8, 2);
  const words = new Int32Array(64);
  const whole = bytes.length & ~63;
  const tail = new Uint8Array(bytes.length - whole < 56 ? 64 : 128);
  tail.set(bytes.subarray(whole));
  tail[bytes.length - whole] = 128;
  new DataView(tail.buffer).setBigUint64(tail.length - 8, BigInt(bytes.length) * 8n);
  const absorb = (block, at) => {
    for (let t = 0; t < 16; t++, at += 4) {
      words[t] = (block[at] << 24) | (block[at + 1] << 16) | (block[at + 2] << 8) | block[at + 3];
    }
    for (let t = 16; t < 64; t++) {
      const x = words[t - 15];
      const y = words[t - 2];
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      words[t] = (words[t - 16] + s0 + words[t - 7] + s1) | 0;
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let t = 0; t < 64; t++) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const first = (h + s1 + ((e & f) ^ (~e & g)) + round[t] + words[t]) | 0;
      const second = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + first) | 0;
      d = c;
      c = b;
      b = a;
      a = (first + second) | 0;
    }
    [a, b, c, d, e, f, g, h].forEach((value, i) => (state[i] = (state[i] + value) | 0));
  };
  for (let at = 0; at < whole; at += 64) absorb(bytes, at);
  for (let at = 0; at < tail.length; at += 64) absorb(tail, at);
  return Array.from(state, (value) => (value >>> 0).toString(16).padStart(8, "0")).join("");
}

/* The SHA-256 of the browser, if it offers one (in secure contexts), otherwise ours. */
async function sha256Of(bytes) {
  const subtle = globalThis.crypto?.subtle;
  if (!subtle) return sha256(bytes);
  const digest = new Uint8Array(await subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
