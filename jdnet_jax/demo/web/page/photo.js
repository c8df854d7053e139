// From a file to what the network sees of it, the very view of `predict` but for the browser's own JPEG decoder.

import { checkSize, header, MAX_BYTES, UnreadablePhotoError } from "./photo_header.js";
import { geometry, resizeBands, taps, TRIANGLE } from "./resize.js";

const HEADER_BYTES = 512 * 1024; // in which a camera's JPEG has its size, behind a preview and a colour profile

/**
 * Decodes a photo: upright by its EXIF orientation, its pixels without regard to a colour profile, as in training.
 *
 * @param {Blob} file
 * @returns {Promise<ImageBitmap>}
 * @throws {UnreadablePhotoError} it is no photo, damaged, too large, or of a format that this browser does not read
 */
export async function decode(file) {
  if (file.size > MAX_BYTES) throw new UnreadablePhotoError("This file is too large. Choose a smaller photo.");
  const image = header(new Uint8Array(await file.slice(0, HEADER_BYTES).arrayBuffer()));
  if (!image.format) throw new UnreadablePhotoError("This file is not a photo. Choose a JPEG, PNG, WebP, GIF or BMP.");
  if (image.width) checkSize(image);
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image", colorSpaceConversion: "none" });
  } catch {
    throw new UnreadablePhotoError(
      ["HEIC", "AVIF"].includes(image.format)
        ? `This browser cannot read ${image.format} photos. Save it as JPEG and choose that.`
        : `This ${image.format} photo is damaged, or too large for this device.`,
    );
  }
  checkSize(bitmap);
  return bitmap;
}

/**
 * What the network sees of a photo.
 *
 * @param {ImageBitmap} bitmap upright
 * @param {{image_size: number, shorter_side: number}} model
 * @returns {Uint8Array} RGB, [image_size, image_size, 3]
 */
export function view(bitmap, { image_size: size, shorter_side: shorterSide }) {
  const place = geometry(bitmap.width, bitmap.height, size, shorterSide);
  const across = taps(bitmap.width, place.width, place.left, size, TRIANGLE);
  const down = taps(bitmap.height, place.height, place.top, size, TRIANGLE);
  const left = across[0].start;
  const end = Math.max(...across.map(({ start, weights }) => start + weights.length));
  const columns = end - left;
  const band = (top, rows) => pixels(bitmap, left, top, columns, rows);
  const inBand = across.map(({ start, weights }) => ({ start: start - left, weights }));
  const resized = resizeBands(band, inBand, down, { columns, stride: 4, channels: 3 });
  return Uint8Array.from(resized, (value) => value + 0.5); // rounds: what is behind the point is cut off
}

/** Pixels of a part of a photo, RGBA; what is transparent is laid on white. */
function pixels(bitmap, left, top, width, height) {
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, left, top, width, height, 0, 0, width, height);
  return context.getImageData(0, 0, width, height).data;
}
