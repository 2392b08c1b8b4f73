/* Draws signals and pixels into canvases. */

/* Signals of one length as lines, over at least the given range; each after the first is dashed. */
function drawLines(canvas, values, length, range) {
  Object.assign(canvas, { width: 512, height: 256 });
  canvas.classList.add("smooth");
  const pen = canvas.getContext("2d");
  const [low, high] = values.reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], range);
  pen.strokeStyle = getComputedStyle(canvas).color;
  pen.lineWidth = 4;
  for (let first = 0; first < values.length; first += length) {
    pen.beginPath();
    pen.setLineDash(first ? [(6 * first) / length, 6] : []);
    for (let x = 0; x < length; x++) {
      pen.lineTo(6 + (500 * x) / Math.max(1, length - 1), 250 - (244 * (values[first + x] - low)) / (high - low));
    }
    pen.stroke();
  }
}

/* Pixels as squares where they are enlarged at least twice; else smoothed. */
function showPixelsIn(canvas, width, room) {
  canvas.classList.toggle("smooth", 2 * width > room * devicePixelRatio && width !== room * devicePixelRatio);
}

function drawPixels(canvas, height, width, value) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const pixels = new Uint8ClampedArray(4 * height * width);
  for (let i = 0; i < height * width; i++) {
    for (let colour = 0; colour < 3; colour++) pixels[4 * i + colour] = value(i, colour);
    pixels[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(new ImageData(pixels, width, height), 0, 0);
}
