/* Decodes Blosc frames (version 1 of the format) with Zstandard. */

function unblosc(frame, size) {
  const target = new Uint8Array(size);
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const [format, , flags, width] = frame;
  const block = view.getUint32(8, true);
  ensure(format === 2 || format === 1, "a Blosc frame of another version");
  if (flags & 2) {
    ensure(frame.length === 16 + size, "a Blosc frame of the wrong length");
    target.set(frame.subarray(16));
    return target;
  }
  ensure(flags >> 5 === 4, "a Blosc frame that is not of Zstandard");
  ensure(block > 0 || size === 0, "blocks of no bytes");
  const count = Math.ceil(size / block);
  ensure(16 + 4 * count <= frame.length, "a Blosc frame is cut short");
  const filter = flags & 1 && width > 1 ? unshuffle : flags & 4 && block >= width ? unbitshuffle : null;
  for (let i = 0; i < count; i++) {
    const part = target.subarray(i * block, Math.min(size, (i + 1) * block));
    const packed = filter ? new Uint8Array(part.length) : part;
    const whole = part.length === block;
    const splits = !(flags & 16) && width <= 16 && block / width >= 128 && whole ? width : 1;
    const length = Math.floor(part.length / splits);
    let at = view.getUint32(16 + 4 * i, true);
    for (let split = 0; split < splits; split++) {
      ensure(at >= 16 && at + 4 <= frame.length, "a Blosc frame is cut short");
      const stored = view.getUint32(at, true);
      at += 4;
      ensure(at + stored <= frame.length, "a Blosc frame is cut short");
      const out = packed.subarray(split * length, (split + 1) * length);
      if (stored === length) out.set(frame.subarray(at, at + stored));
      else unzstd(frame.subarray(at, at + stored), out);
      at += stored;
    }
    if (filter) filter(packed, part, width);
  }
  return target;
}

/* The first bytes of all elements are stored first, then the second bytes, and so on. */
function unshuffle(packed, target, width) {
  const count = Math.floor(packed.length / width);
  for (let byte = 0; byte < width; byte++) {
    for (let i = 0, from = byte * count; i < count; i++) target[i * width + byte] = packed[from + i];
  }
  target.set(packed.subarray(count * width), count * width);
}

/* The same with bits: planes of one bit of all elements. Eight elements at a time are an 8 by 8 matrix to transpose. */
function unbitshuffle(packed, target, width) {
  const count = Math.floor(packed.length / width);
  if (count % 8) {
    target.set(packed);
    return;
  }
  const plane = count / 8;
  for (let byte = 0; byte < width; byte++) {
    const from = byte * count;
    for (let group = 0; group < plane; group++) {
      const at = from + group;
      let low = packed[at] | (packed[at + plane] << 8) | (packed[at + 2 * plane] << 16) | (packed[at + 3 * plane] << 24);
      let high =
        packed[at + 4 * plane] |
        (packed[at + 5 * plane] << 8) |
        (packed[at + 6 * plane] << 16) |
        (packed[at + 7 * plane] << 24);
      let swap = (low ^ (low >>> 7)) & 0x00aa00aa;
      low ^= swap ^ (swap << 7);
      swap = (high ^ (high >>> 7)) & 0x00aa00aa;
      high ^= swap ^ (swap << 7);
      swap = (low ^ (low >>> 14)) & 0x0000cccc;
      low ^= swap ^ (swap << 14);
      swap = (high ^ (high >>> 14)) & 0x0000cccc;
      high ^= swap ^ (swap << 14);
      swap = ((low >>> 4) ^ high) & 0x0f0f0f0f;
      high ^= swap;
      low ^= swap << 4;
      let to = group * 8 * width + byte;
      for (let shift = 0; shift < 32; shift += 8, to += width) target[to] = low >>> shift;
      for (let shift = 0; shift < 32; shift += 8, to += width) target[to] = high >>> shift;
    }
  }
  target.set(packed.subarray(count * width), count * width);
}
