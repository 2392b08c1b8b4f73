/* The context coder (spec/fred-1.0.md, annex D): decodes the integers of a chunk. All numbers
   are integers below 2^53, which is what a double holds exactly; where 32 bits may not do, shifts are divisions. */

const LOGISTIC = [22, 36, 60, 98, 162, 267, 439, 720, 1179, 1921, 3108, 4971, 7812, 11955, 17625, 24743, 32768];
for (let i = 15; i >= 0; i--) LOGISTIC.push(65536 - LOGISTIC[i]);
const SQUASH = Int32Array.from({ length: 4096 }, (_, x) => {
  const k = x >> 7;
  return LOGISTIC[k] + (((LOGISTIC[k + 1] - LOGISTIC[k]) * (x & 127)) >> 7);
});
const STRETCH = new Int32Array(4096);
for (let q = 0, x = -2047; q < 4096; q++) {
  while (x < 2047 && SQUASH[x + 2048] < 16 * q + 8) x++;
  STRETCH[q] = x;
}
const [MODELS, NODES, CONTEXTS] = [3, 48, 832];

const clip = (x, least, most) => (x < least ? least : x > most ? most : x);
const int16 = (x) => clip(x, -32768, 32767);
const over = (a, b) => Math.floor(a / b);

function log(x) {
  if (x < 8) return x;
  let power = 1;
  let digits = 4;
  for (; over(x, power) >= 16; power *= 2) digits++;
  return 8 * (digits - 4) + over(x, power);
}

/* Annex D.1 to D.4. */
class ContextDecoder {
  constructor(bytes) {
    this.bytes = bytes;
    this.low = 0;
    this.high = 2 ** 32 - 1;
    this.moved = 0;
    this.code = [0, 1, 2, 3].reduce((code, i) => code * 256 + (bytes[i] ?? 0), 0);
    this.probabilities = new Uint16Array(CONTEXTS * NODES + 16).fill(32768); // the last 16 are for the signs
    this.counts = new Uint8Array(CONTEXTS * NODES + 16);
    this.weights = new Int32Array(NODES * MODELS).fill(20480);
  }

  bit(p) {
    const middle = this.low + over((this.high - this.low) * p, 65536);
    const bit = this.code <= middle ? 1 : 0;
    if (bit) this.high = middle;
    else this.low = middle + 1;
    while (this.low >>> 24 === this.high >>> 24) {
      this.low = (this.low << 8) >>> 0;
      this.high = ((this.high << 8) | 255) >>> 0;
      this.code = ((this.code << 8) | (this.bytes[this.moved + 4] ?? 0)) >>> 0;
      this.moved++;
    }
    if (this.moved > this.bytes.length) throw new Error("the bytes end too early");
    return bit;
  }

  learn(at, bit) {
    const p = this.probabilities[at];
    this.probabilities[at] = p + (((bit ? 65535 - p : -p) * over(65536, 2 * this.counts[at] + 3)) >> 15);
    if (this.counts[at] < 127) this.counts[at]++;
  }

  mixed(contexts, node) {
    const at = contexts.map((context) => context * NODES + node);
    const hints = at.map((place) => STRETCH[this.probabilities[place] >> 4]);
    const sum = hints.reduce((total, hint, i) => total + this.weights[node * MODELS + i] * hint, 0);
    const p = SQUASH[clip(over(sum, 65536), -2047, 2047) + 2048];
    const bit = this.bit(p);
    hints.forEach((hint, i) => {
      const weight = this.weights[node * MODELS + i] + over(hint * (65536 * bit - p) + 16384, 32768);
      this.weights[node * MODELS + i] = clip(weight, -(2 ** 20), 2 ** 20);
      this.learn(at[i], bit);
    });
    return bit;
  }

  difference(contexts, fraction, width) {
    let digits = 0;
    while (digits < width && this.mixed(contexts, Math.min(digits, 23))) digits++;
    if (!digits) return 0;
    let size = 1;
    for (let digit = 1; digit < digits; digit++) {
      size = 2 * size + (digit === 1 ? this.mixed(contexts, 24 + Math.min(digits, 23)) : this.bit(32768));
    }
    const sign = CONTEXTS * NODES + 2 * Math.min(over(Math.abs(fraction), 16), 7) + (digits > 1 ? 1 : 0);
    const bit = this.bit(clip(this.probabilities[sign], 32, 65504));
    this.learn(sign, bit);
    return (bit === 1) === fraction >= 0 ? -size : size;
  }

  /* Annex D.6. */
  checkEnding() {
    for (let count = 0; ; count++) {
      const unit = 2 ** (32 - 8 * count);
      const number = Math.ceil(this.low / unit) * unit;
      if (number > this.high) continue;
      const places = Array.from({ length: count }, (_, i) => over(number, 2 ** (24 - 8 * i)) % 256);
      const same = places.every((byte, i) => byte === this.bytes[this.moved + i]);
      if (!same || this.bytes.length !== this.moved + count) throw new Error("the bytes end too early or too late");
      return;
    }
  }
}

/* Annex D.5: the integers of a chunk of [instances, channels, frequencies], each from least to most. */
function uncontext(bytes, [instances, channels, frequencies], least, most) {
  const width = Math.log2(most - least + 1);
  const decoder = new ContextDecoder(bytes);
  const row = channels * frequencies;
  const values = new Float64Array(instances * row);
  const [means, sizes] = [new Float64Array(row), new Float64Array(row)];
  const [together, alone] = [new Float64Array(channels), new Float64Array(channels)];
  let [byValue, byMean] = [8192, 16384];
  for (let instance = 0; instance < instances; instance++) {
    const rate = over(256, instance + 2);
    const [found, expected] = [new Float64Array(channels), new Float64Array(channels)];
    for (let frequency = 0; frequency < frequencies; frequency++) {
      let [before, above, due] = [0, 0, 0];
      for (let channel = 0; channel < channels; channel++) {
        const at = channel * frequencies + frequency;
        const mean = means[at];
        const level = over(clip(over(256 * byValue, byMean), 0, 256) * mean, 256);
        const slope = alone[channel] ? clip(over(256 * together[channel], alone[channel]), -512, 512) : 256;
        const guess = clip(level + (channel ? over(slope * before, 256) : 0), 256 * least, 256 * most);
        const centre = over(guess + 128, 256);
        if (!instance) sizes[at] = frequency ? sizes[at - 1] : channel ? sizes[at - frequencies] : 1024;
        const size = sizes[at];
        const scale = log(size);
        const along = log(found[channel] + 64) - log(expected[channel] + 64);
        const across = channel ? log(above + 64) - log(due + 64) : 0;
        const relation = 16 * clip(((channel ? across : along) >> 2) + 8, 0, 15) + clip(scale >> 3, 0, 15);
        const contexts = [
          clip((8 * scale + 3 * along + 4 * across) >> 5, 0, 63),
          64 + 4 * Math.min(frequency, 63) + Math.min(channel, 3),
          320 + (channel ? 256 : 0) + relation,
        ];
        const difference = decoder.difference(contexts, guess - 256 * centre, width);
        const value = centre + difference;
        if (value < least || value > most) throw new Error("a value is out of range");
        values[instance * row + at] = value;
        const off = 256 * Math.abs(difference);
        found[channel] += off - over(found[channel], 8);
        expected[channel] += size - over(expected[channel], 8);
        above += off;
        due += size;
        sizes[at] = size + over((off - size) * Math.max(rate, 16), 256);
        const [near, middle] = [int16(16 * value), int16(over(mean, 16))];
        byValue += near * middle - over(byValue, 128);
        byMean += middle * middle - over(byMean, 128);
        const beyond = 256 * value - level;
        if (channel) {
          const [x, y] = [int16(over(before, 16)), int16(over(beyond, 16))];
          together[channel] += x * y - over(together[channel], 4096);
          alone[channel] += x * x - over(alone[channel], 4096);
        }
        before = beyond;
        means[at] = mean + over((256 * value - mean) * Math.max(rate, 36), 256);
      }
    }
  }
  decoder.checkEnding();
  return values;
}
