// Resizing by separable kernels, as `tf.image.resize(..., antialias=True)` does it in the project's evaluation: the
// browser's own resizing is another on every system, and a network sees the difference.

/** A triangle: bilinear interpolation, and its antialiasing where a picture shrinks. */
export const TRIANGLE = { radius: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) };

/** The cubic of Keys (1981) with a = -1/2, as Pillow's `BICUBIC`. */
export const CUBIC = {
  radius: 2,
  weight(x) {
    x = Math.abs(x);
    if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
    return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
  },
};

/**
 * What each output pixel of one axis is made of.
 *
 * An output pixel i has its centre at (i + 1/2) inputSize / outputSize of the input. The kernel about it is as much wider
 * as the input is larger than the output, and its weights over the pixels inside are made to sum to 1.
 *
 * @param {number} inputSize pixels of the input's axis
 * @param {number} outputSize pixels of the whole output's axis
 * @param {number} begin the first output pixel wanted
 * @param {number} count how many are
 * @param {{radius: number, weight: (x: number) => number}} kernel
 * @returns {{start: number, weights: number[]}[]} for each, its first input pixel and the weights from there on
 */
export function taps(inputSize, outputSize, begin, count, kernel) {
  const ratio = inputSize / outputSize;
  const width = Math.max(ratio, 1);
  return Array.from({ length: count }, (_, i) => {
    const center = (begin + i + 0.5) * ratio;
    const first = Math.max(0, Math.ceil(center - kernel.radius * width - 0.5));
    const last = Math.min(inputSize - 1, Math.floor(center + kernel.radius * width - 0.5));
    const weights = [];
    for (let source = first; source <= last; source++) weights.push(kernel.weight((source + 0.5 - center) / width));
    const sum = weights.reduce((a, b) => a + b, 0);
    return { start: first, weights: weights.map((weight) => weight / sum) };
  });
}

/** The values halfway between two whole numbers go to the even one, as in Python and TensorFlow. */
export function roundHalfToEven(x) {
  const low = Math.floor(x);
  if (x - low !== 0.5) return Math.round(x);
  return low % 2 === 0 ? low : low + 1;
}

/**
 * Where the evaluation view lies: the shorter side goes to `shorterSide` pixels, and the central square is cut out.
 *
 * @returns {{width: number, height: number, left: number, top: number}} of the resized photo and the square in it
 */
export function geometry(width, height, imageSize, shorterSide) {
  const scale = shorterSide / Math.min(width, height);
  const resized = { width: roundHalfToEven(width * scale), height: roundHalfToEven(height * scale) };
  return {
    ...resized,
    left: Math.floor((resized.width - imageSize) / 2),
    top: Math.floor((resized.height - imageSize) / 2),
  };
}

/**
 * A part of a resized picture, whose input comes in bands of rows, so that a photo is never unpacked as a whole.
 *
 * @param {(top: number, rows: number) => ArrayLike<number>} band rows of the input, [rows, columns, stride]
 * @param {{start: number, weights: number[]}[]} across the taps of the columns, `start` counted in the band's columns
 * @param {{start: number, weights: number[]}[]} down the taps of the rows
 * @param {{columns: number, stride: number, channels: number}} layout of the bands: numbers a pixel has, and how many of
 *     them, the first ones, are wanted
 * @param {number} [bandRows] rows to ask for at a time
 * @returns {Float32Array} [down.length, across.length, channels]
 */
export function resizeBands(band, across, down, { columns, stride, channels }, bandRows = 256) {
  const rowLength = across.length * channels;
  const output = new Float32Array(down.length * rowLength);
  const end = Math.max(...down.map(({ start, weights }) => start + weights.length));
  for (let top = Math.min(...down.map(({ start }) => start)); top < end; top += bandRows) {
    const rows = Math.min(bandRows, end - top);
    const narrow = shrinkRows(band(top, rows), rows, across, { columns, stride, channels });
    down.forEach(({ start, weights }, y) => {
      const last = Math.min(start + weights.length, top + rows);
      for (let source = Math.max(start, top); source < last; source++) {
        const weight = weights[source - start];
        const from = (source - top) * rowLength;
        for (let i = 0; i < rowLength; i++) output[y * rowLength + i] += weight * narrow[from + i];
      }
    });
  }
  return output;
}

function shrinkRows(pixels, rows, across, { columns, stride, channels }) {
  const narrow = new Float32Array(rows * across.length * channels);
  let to = 0;
  for (let row = 0; row < rows; row++) {
    for (const { start, weights } of across) {
      const from = (row * columns + start) * stride;
      for (let channel = 0; channel < channels; channel++) {
        let sum = 0;
        for (let i = 0; i < weights.length; i++) sum += weights[i] * pixels[from + i * stride + channel];
        narrow[to++] = sum;
      }
    }
  }
  return narrow;
}
