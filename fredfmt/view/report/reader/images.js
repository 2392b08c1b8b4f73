/* Images from coefficients, at any size. */

/* A[x, u] of a transform, stored by frequency: element u * size + x. Only dct supports other sizes than n. */
function synthesisMatrix(name, n, size = n) {
  const matrix = new Float64Array(n * size);
  const fill = (value) => {
    for (let u = 0; u < n; u++) for (let x = 0; x < size; x++) matrix[u * size + x] = value(x, u);
  };
  if (name === "dct") {
    fill((x, u) => Math.sqrt((u ? 2 : 1) / n) * Math.cos((Math.PI * (((2 * x + 1) * u) % (4 * size))) / (2 * size)));
    return matrix;
  }
  need(size === n, "FRED-118", "only dct can be decoded at another size");
  if (name === "identity") fill((x, u) => (x === u ? 1 : 0));
  else if (name === "downsample") fill((x, u) => (x >> 1 === u ? Math.sqrt(1 / Math.min(n - 2 * u, 2)) : 0));
  else if (name === "hartley") {
    fill((x, u) => {
      const wave = u % 2 ? (u + 1) / 2 : (n - u / 2) % n;
      const t = (2 * Math.PI * ((x * wave) % n)) / n;
      return Math.sqrt(1 / n) * (Math.cos(t) + Math.sin(t));
    });
  } else {
    const columns = waveletColumns(name, n);
    fill((x, u) => columns[u][x]);
  }
  return matrix;
}

function waveletColumns(name, n) {
  const r = Math.sqrt(3);
  const g = name === "haar" ? [Math.SQRT1_2, Math.SQRT1_2] : [1 - r, 3 - r, 3 + r, 1 + r].map((tap) => tap / (4 * Math.SQRT2));
  const h = g.map((_, j) => (j % 2 ? 1 : -1) * g[g.length - 1 - j]);
  let averages = Array.from({ length: n }, (_, i) => Float64Array.from({ length: n }, (_, x) => (x === i ? 1 : 0)));
  let details = [];
  while (averages.length > 1) {
    const m = averages.length - (averages.length % 2);
    const combine = (taps, o) => {
      const column = new Float64Array(n);
      taps.forEach((tap, j) => {
        const from = averages[(((g.length / 2 + 2 * o - j) % m) + m) % m];
        for (let x = 0; x < n; x++) column[x] += tap * from[x];
      });
      return column;
    };
    const pairs = Array.from({ length: m / 2 }, (_, o) => o);
    details = [...pairs.map((o) => combine(h, o)), ...details];
    averages = [...pairs.map((o) => combine(g, o)), ...averages.slice(m)];
  }
  return [...averages, ...details];
}

/* Decodes images of a file that `readFred` has read, at one size; positions and matrices are computed once. */
class Images {
  constructor(file, size = file.meta.spatial_shape) {
    const { meta, arrays } = file;
    this.file = file;
    this.channels = meta.channels;
    this.k = arrays.coefficients.shape[2];
    this.step = meta.quantization.step ?? 1;
    this.size = size;
    const lengths = meta.spatial_shape;
    this.matrices = lengths.map((n, axis) => synthesisMatrix(meta.transform, n, size[axis]));
    const depths = lengths.slice(0, -2);
    [this.rows, this.columns] = [1, 1, ...lengths].slice(-2);
    [this.height, this.width] = [1, 1, ...size].slice(-2);
    this.depth = depths.length ? size[0] : 1;
    this.acrossRows = lengths.length > 1 ? this.matrices.at(-2) : Float64Array.of(1);
    this.acrossColumns = this.matrices.at(-1);
    this.mixing = meta.channel_transform ? synthesisMatrix(meta.channel_transform, this.channels) : null;
    this.lines = new Float64Array(this.rows * this.width);
    this.used = new Uint8Array(this.rows);
  }

  maskOf(instance) {
    return (this.file.arrays.mask_of ?? this.file.arrays.labels).array[instance];
  }

  /* The position of kept frequency j of a mask: (depth, row, column). */
  position(mask, j) {
    const index = this.file.arrays.frequencies.array[mask * this.k + j];
    const plane = this.rows * this.columns;
    return [Math.floor(index / plane), Math.floor((index % plane) / this.columns), index % this.columns];
  }

  /* The value of coefficient j of a channel of an image, including the base. */
  value(instance, channel, j) {
    if (!this.mixing) return this.stored(instance, channel, j);
    let sum = 0;
    for (let u = 0; u < this.channels; u++) sum += this.mixing[u * this.channels + channel] * this.stored(instance, u, j);
    return sum;
  }

  /* The same of a stored channel. */
  stored(instance, channel, j) {
    const { coefficients, base } = this.file.arrays;
    const mask = this.maskOf(instance);
    const own = coefficients.array[(instance * this.channels + channel) * this.k + j];
    return (own + (base ? base.array[(mask * this.channels + channel) * this.k + j] : 0)) * this.step;
  }

  /* Float32 (channel, height, width) of an instance from its first k frequencies; of a volume, the slice at `depth`. */
  image(instance, k = this.k, depth = 0) {
    const plane = this.height * this.width;
    const out = new Float32Array(this.channels * plane);
    const mask = this.maskOf(instance);
    for (let channel = 0; channel < this.channels; channel++) {
      const value = (j) => this.value(instance, channel, j);
      this.synthesise(mask, k, value, depth, out.subarray(channel * plane, (channel + 1) * plane));
    }
    return out;
  }

  /* The pattern of one kept frequency, (height, width). */
  basis(mask, j, depth = 0) {
    const out = new Float32Array(this.height * this.width);
    this.synthesise(mask, this.k, (other) => (other === j ? 1 : 0), depth, out);
    return out;
  }

  synthesise(mask, k, value, depth, out) {
    const { lines, used, width, height, rows, acrossRows, acrossColumns } = this;
    lines.fill(0);
    used.fill(0);
    for (let j = 0; j < k; j++) {
      const [deep, row, column] = this.position(mask, j);
      const weight = value(j) * (this.matrices.length === 3 ? this.matrices[0][deep * this.depth + depth] : 1);
      if (weight === 0) continue;
      used[row] = 1;
      for (let x = 0, to = row * width, from = column * width; x < width; x++) lines[to + x] += weight * acrossColumns[from + x];
    }
    const sums = new Float64Array(width);
    for (let y = 0; y < height; y++) {
      sums.fill(0);
      for (let row = 0; row < rows; row++) {
        if (!used[row]) continue;
        const weight = acrossRows[row * height + y];
        for (let x = 0, from = row * width; x < width; x++) sums[x] += weight * lines[from + x];
      }
      out.set(sums, y * width);
    }
  }

  /* An image's values brought to 0..1 by the recorded normalisation, in place; they may lie a little outside. Whitened
     images cannot be brought there: they are shown as they are, 0 as mid grey and three standard deviations a side. */
  toUnit(image) {
    const { normalization, whitening } = this.file.meta;
    if (whitening) {
      for (let i = 0; i < image.length; i++) image[i] = 0.5 + image[i] / 6;
      return image;
    }
    if (!normalization) return image;
    const plane = image.length / this.channels;
    for (let i = 0; i < image.length; i++) {
      const channel = Math.floor(i / plane);
      image[i] = image[i] * normalization.std[channel] + normalization.mean[channel];
    }
    return image;
  }
}
