// Runs a TFLite file with LiteRT on the CPU: the same figures on every device, and fast for a network of a phone's size.

import { loadAndCompile, loadLiteRt, Tensor } from "./runtime/litert.js";

/**
 * @param {Uint8Array} content of the file
 * @returns {Promise<(pixels: Uint8Array, size: number) => Promise<{probabilities: Float32Array, activation?: Float32Array,
 *     grid?: number[]}>>} what runs it on one photo, RGB [size, size, 3]; the activation map, if there is one, is
 *     [height, width]
 */
export async function load(content) {
  const runtime = new URL("./runtime/", import.meta.url).href;
  self.Module = {
    locateFile: (name) => runtime + name, // Emscripten would look beside the worker's own script
    printErr: (text) => (/^(INFO|WARNING)/.test(text) ? console.debug(text) : console.error(text)),
  };
  await loadLiteRt(runtime);
  const model = await loadAndCompile(content, { accelerator: "wasm" });
  return async (pixels, size) => {
    const image = new Tensor(pixels, [1, size, size, 3]);
    const outputs = await model.run({ image });
    const { probabilities, activation } = outputs;
    const grid = activation && Array.from(activation.type.layout.dimensions).slice(1, 3);
    const result = { probabilities: await probabilities.data(), activation: await activation?.data(), grid };
    for (const tensor of [image, ...Object.values(outputs)]) tensor.delete();
    return result;
  };
}
