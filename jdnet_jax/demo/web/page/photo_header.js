// What a file is, and how large, told by its first bytes: before anything is unpacked, and without trust in its name.

// What a photo may be: the same bounds as in the module `data/photo_limits.py`.
export const MAX_BYTES = 536_870_912; // of a file
export const MAX_PIXELS = 178_956_970;
export const MAX_RATIO = 50; // of its sides

/** A file that is no photo that can be shown; the message is for the person who chose it. */
export class UnreadablePhotoError extends Error {}

const ascii = (bytes, from, to) => String.fromCharCode(...bytes.subarray(from, to));

/**
 * The format of a file, and its size in pixels where the header tells it.
 *
 * @param {Uint8Array} bytes the file's content, or its beginning
 * @returns {{format: string, width?: number, height?: number}} '' for what is no photo; for a container that the browser
 *     may or may not open (HEIC, AVIF) its brand
 */
export function header(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 30) return { format: "" };
  if (view.getUint16(0) === 0xffd8) return { format: "JPEG", ...jpegSize(view) };
  if (ascii(bytes, 1, 8) === "PNG\r\n\x1a\n") {
    return { format: "PNG", width: view.getUint32(16), height: view.getUint32(20) };
  }
  if (/^GIF8[79]a/.test(ascii(bytes, 0, 6))) {
    return { format: "GIF", width: view.getUint16(6, true), height: view.getUint16(8, true) };
  }
  if (ascii(bytes, 0, 2) === "BM") {
    return { format: "BMP", width: Math.abs(view.getInt32(18, true)), height: Math.abs(view.getInt32(22, true)) };
  }
  if (ascii(bytes, 0, 4) === "RIFF" && ascii(bytes, 8, 12) === "WEBP") return { format: "WebP", ...webpSize(bytes, view) };
  if (ascii(bytes, 4, 8) === "ftyp") {
    const brand = ascii(bytes, 8, 12).trim();
    if (/^(hei|hev|mif|msf)/.test(brand)) return { format: "HEIC" };
    if (/^avi[fs]/.test(brand)) return { format: "AVIF" };
  }
  return { format: "" };
}

/** Walks over the segments of a JPEG to the one that holds its size: SOF0 to SOF15, without DHT, JPG and DAC. */
function jpegSize(view) {
  let at = 2;
  while (at + 9 < view.byteLength) {
    if (view.getUint8(at) !== 0xff) return {};
    const marker = view.getUint8(at + 1);
    if (marker === 0xff) {
      at += 1; // filling
      continue;
    }
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      return { height: view.getUint16(at + 5), width: view.getUint16(at + 7) };
    }
    at += 2 + view.getUint16(at + 2);
  }
  return {};
}

function webpSize(bytes, view) {
  switch (ascii(bytes, 12, 16)) {
    case "VP8X": {
      const at = (i) => 1 + (bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16));
      return { width: at(24), height: at(27) };
    }
    case "VP8L": {
      const bits = view.getUint32(21, true);
      return { width: 1 + (bits & 0x3fff), height: 1 + ((bits >>> 14) & 0x3fff) };
    }
    default:
      return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
  }
}

/**
 * Refuses a size that cannot be shown.
 *
 * @throws {UnreadablePhotoError}
 */
export function checkSize({ width, height }) {
  if (width * height > MAX_PIXELS) {
    throw new UnreadablePhotoError(
      `This photo has more than ${Math.round(MAX_PIXELS / 1e6)} megapixels. Choose a smaller one.`,
    );
  }
  if (Math.max(width, height) > MAX_RATIO * Math.min(width, height)) {
    throw new UnreadablePhotoError(`This is a strip of ${width} × ${height} pixels. Choose a photo of a usual shape.`);
  }
}
