// Runs the student beside the page, so that the page stays quick. A classic worker: LiteRT loads itself by importScripts.
//
// The page sends {id, file}. Answers are {kind: "ready", seconds, files}, {kind: "failed", text}, and to each photo
// {kind: "prediction", id, probabilities, activation, grid, milliseconds} or {kind: "refused", id, text}.

const RUNTIMES = { litert: "./run_litert.js", onnxruntime: "./run_onnx.js" };

const opened = open();

async function open() {
  const begin = performance.now();
  const { model } = await (await fetch("site.json", { cache: "no-cache" })).json();
  const [{ load }, photo, { UnreadablePhotoError }] = await Promise.all([
    import(RUNTIMES[model.runtime]),
    import("./photo.js"),
    import("./photo_header.js"),
  ]);
  const response = await fetch(model.file);
  if (!response.ok) throw new Error(`${model.file}: ${response.status}`);
  const run = await load(new Uint8Array(await response.arrayBuffer()));
  const size = model.image_size;
  const first = await run(new Uint8Array(size * size * 3), size); // the first call is slow
  if (first.probabilities.length !== model.classes.length) throw new Error(`${model.file} is of other classes`);
  const files = performance.getEntriesByType("resource").map(({ name }) => name);
  postMessage({ kind: "ready", seconds: (performance.now() - begin) / 1000, files });
  return { model, photo, run, UnreadablePhotoError };
}

async function predict({ id, file }) {
  const { model, photo, run, UnreadablePhotoError } = await opened;
  try {
    const begin = performance.now();
    const bitmap = await photo.decode(file);
    const seen = photo.view(bitmap, model);
    bitmap.close();
    const prepared = performance.now();
    const prediction = await run(seen, model.image_size);
    const end = performance.now();
    const milliseconds = { all: end - begin, network: end - prepared };
    postMessage({ kind: "prediction", id, ...prediction, milliseconds });
  } catch (error) {
    if (!(error instanceof UnreadablePhotoError)) throw error;
    postMessage({ kind: "refused", id, text: error.message });
  }
}

const report = (error) => postMessage({ kind: "failed", text: String(error?.message ?? error) });
opened.catch(report);

// One photo after the other, as they come.
let last = opened.catch(() => {});
onmessage = ({ data }) => {
  last = last.then(() => predict(data)).catch(report);
};
