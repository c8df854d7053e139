// Runs an ONNX file with ONNX Runtime on the CPU; `load` as in run_litert.js.

import { env, InferenceSession, Tensor } from "./runtime/onnxruntime.js";

/** See run_litert.js. */
export async function load(content) {
  env.wasm.wasmPaths = new URL("./runtime/", import.meta.url).href;
  env.wasm.numThreads = 1; // more need headers that not every web server sends
  const session = await InferenceSession.create(content);
  return async (pixels, size) => {
    const image = new Tensor("uint8", pixels, [1, size, size, 3]);
    const { probabilities, activation } = await session.run({ image });
    return { probabilities: probabilities.data, activation: activation.data, grid: activation.dims.slice(1) };
  };
}
