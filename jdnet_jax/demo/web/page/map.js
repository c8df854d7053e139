// The activation map in colours over the part of the photo that the network saw, as `predict --overlay` draws it.

import { CUBIC, resizeBands, taps } from "./resize.js";

/**
 * Draws a map relative to its highest value; nothing where no value is above 0.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {Float32Array} activation not negative, [height, width]
 * @param {number[]} grid height and width
 * @param {number[][]} colors sRGB of the values 0 to 255
 */
export function drawMap(canvas, activation, [height, width], colors) {
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  const highest = Math.max(...activation);
  if (!(highest > 0)) return;
  const across = taps(width, canvas.width, 0, canvas.width, CUBIC);
  const down = taps(height, canvas.height, 0, canvas.height, CUBIC);
  const rows = (top, count) => activation.subarray(top * width, (top + count) * width);
  const smooth = resizeBands(rows, across, down, { columns: width, stride: 1, channels: 1 });
  const picture = context.createImageData(canvas.width, canvas.height);
  smooth.forEach((value, i) => paint(picture.data, i, colors[Math.round(255 * Math.min(Math.max(value / highest, 0), 1))]));
  context.putImageData(picture, 0, 0);
}

/** Draws the scale of the colours, one pixel a value. */
export function drawColors(canvas, colors) {
  const context = canvas.getContext("2d");
  const picture = context.createImageData(canvas.width, canvas.height);
  colors.forEach((color, i) => paint(picture.data, i, color));
  context.putImageData(picture, 0, 0);
}

/** Lays the map over the central square of a photo whose side is this fraction of the photo's shorter side. */
export function placeMap(canvas, { naturalWidth: width, naturalHeight: height }, fraction) {
  const side = fraction * Math.min(width, height);
  const percent = (pixels, of) => `${(100 * pixels) / of}%`;
  canvas.style.left = percent((width - side) / 2, width);
  canvas.style.top = percent((height - side) / 2, height);
  canvas.style.width = percent(side, width);
  canvas.style.height = percent(side, height);
}

function paint(data, i, [red, green, blue]) {
  data.set([red, green, blue, 255], 4 * i);
}
