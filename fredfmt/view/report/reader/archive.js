/* The entries of a .fred file: a ZIP archive in the form that the specification demands. */

function readArchive(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const starts = (at, mark) => at + 4 <= bytes.length && view.getUint32(at, true) === mark;
  need(starts(0, 0x04034b50), "FRED-400", "not a .fred file");
  const entries = new Map();
  const directory = [];
  let at = 0;
  let last = null;
  let seal = 0;
  while (starts(at, 0x04034b50)) {
    need(entries.size < 4096, "FRED-303", "too many entries");
    need(at + 30 <= bytes.length, "FRED-401", "the archive is cut short");
    const length = view.getUint16(at + 26, true);
    const body = at + 30 + length;
    const name = String.fromCharCode(...bytes.subarray(at + 30, Math.min(body, at + 300)));
    const named = length <= 255 && name.length === length && /^[a-z0-9][a-z0-9_.-]*(\/[a-z0-9][a-z0-9_.-]*)*$/.test(name);
    need(named, "FRED-403", "an entry has an unusable name");
    const [version, flags, method, time, date] = [4, 6, 8, 10, 12].map((place) => view.getUint16(at + place, true));
    const [checksum, stored, size] = [14, 18, 22].map((place) => view.getUint32(at + place, true));
    const fixed = version === 20 && flags === 0 && time === 0 && date === 33 && view.getUint16(at + 28, true) === 0;
    const kept = method === 0 ? stored === size : method === 8 && name === "zarr.json";
    need(fixed && kept, "FRED-404", `unusable header of ${name}`);
    const key = (name === "zarr.json" ? "0" : "1") + name;
    need(last === null || last < key, "FRED-402", "entries repeat or are out of order");
    last = key;
    need(body + stored <= bytes.length, "FRED-401", "the archive is cut short");
    let content = bytes.subarray(body, body + stored);
    if (method === 8) {
      content = inflated(content, size, name);
      seal = 4;
    }
    need(crc(CRC32, content) === checksum, "FRED-405", `${name} is damaged: its CRC-32 differs`);
    entries.set(name, content);
    directory.push({ name, at, stored });
    at = body + stored;
  }
  const expected = new Uint8Array(directory.reduce((total, { name }) => total + 46 + name.length, 22));
  const write = new DataView(expected.buffer);
  let to = 0;
  for (const { name, at: from } of directory) {
    write.setUint32(to, 0x02014b50, true);
    write.setUint16(to + 4, 0x314, true);
    expected.set(bytes.subarray(from + 4, from + 30), to + 6); // from the version to the length of the extra field
    write.setUint32(to + 38, 0x81a40000, true);
    write.setUint32(to + 42, from, true);
    expected.set(utf8.encode(name), to + 46);
    to += 46 + name.length;
  }
  write.setUint32(to, 0x06054b50, true);
  write.setUint16(to + 8, directory.length, true);
  write.setUint16(to + 10, directory.length, true);
  write.setUint32(to + 12, to, true);
  write.setUint32(to + 16, at, true);
  write.setUint16(to + 20, seal, true);
  const rest = bytes.subarray(at, bytes.length - seal);
  const same = rest.length === expected.length && rest.every((byte, i) => byte === expected[i]);
  need(same, "FRED-401", "the archive's directory is damaged or contradicts the entries");
  const sealed = !seal || crc(CRC32, bytes.subarray(0, -4)) === view.getUint32(bytes.length - 4, true);
  need(sealed, "FRED-407", "the archive is damaged: its checksum differs");
  return { entries, sizes: new Map(directory.map(({ name, stored }) => [name, stored])) };
}

function inflated(bytes, size, where) {
  need(size <= DOCUMENT + ROOM, "FRED-303", `${where} is too large`);
  try {
    return inflate(bytes, size);
  } catch (error) {
    throw new Refusal("FRED-406", `${where} cannot be inflated: ${error.message}`);
  }
}
