// The page: a photo comes in by one of five ways, the worker runs the student on it, and the answer is shown.

import { openCamera } from "./camera.js";
import { keepOffline, offerInstallation } from "./offline.js";
import { drawColors, drawMap, placeMap } from "./map.js";

const TOP = 5;
const $ = (id) => document.getElementById(id);
const percent = (share) => `${(100 * share).toFixed(1)} %`;

const site = await (await fetch("site.json", { cache: "no-cache" })).json();
const { model, colors } = site;
const worker = new Worker("worker.js");
let current = 0; // number of the photo that is on the page; answers to earlier ones come too late

about();
drawColors($("colors"), colors);
offerInstallation($("install"));

worker.onmessage = ({ data }) => {
  if (data.kind === "ready") {
    if (!current) say("Ready.");
    document.body.dataset.ready = data.seconds.toFixed(3);
    keepOffline(site.files, data.files).then((kept) => {
      if (kept) $("offline").textContent = "This page now works without a network.";
    });
  }
  if (data.kind === "failed") {
    fail(`The network could not be run (${data.text}). Reload the page, or try a newer browser.`);
  }
  if (data.id !== current) return;
  if (data.kind === "refused") fail(data.text);
  if (data.kind === "prediction") show(data);
};
worker.onerror = (event) => fail(`The network could not be run (${event.message ?? "its script was not loaded"}).`);

function say(text, busy = false) {
  $("status").textContent = text;
  document.body.classList.toggle("busy", busy);
  document.body.classList.toggle("answered", !$("result").hidden);
}

function fail(text) {
  $("result").hidden = true;
  say("");
  $("problem").textContent = text;
  $("problem").hidden = false;
}

function predict(file) {
  if (!file) return;
  current += 1;
  $("problem").hidden = true;
  $("result").hidden = true;
  delete document.body.dataset.answer;
  say("Looking at your photo …", true);
  URL.revokeObjectURL($("photo").src);
  $("photo").src = URL.createObjectURL(file);
  worker.postMessage({ id: current, file });
}

async function show({ id, probabilities, activation, grid, milliseconds }) {
  await $("photo").decode().catch(() => {}); // its size is known when it can be shown
  if (id !== current) return;
  const best = Array.from(probabilities.keys())
    .sort((a, b) => probabilities[b] - probabilities[a] || a - b)
    .slice(0, TOP);
  const name = model.classes[best[0]];
  const sure = probabilities[best[0]] >= model.not_sure_below;
  $("answer").textContent = sure ? name : "Not sure";
  $("doubt").hidden = sure;
  $("share").hidden = $("bar").hidden = !sure;
  $("share").textContent = percent(probabilities[best[0]]);
  $("filled").style.width = `${100 * probabilities[best[0]]}%`;
  const others = sure ? best.slice(1) : best;
  $("top").start = sure ? 2 : 1;
  $("top").replaceChildren(...others.map((label) => row(model.classes[label], probabilities[label])));
  $("map").hidden = $("looked").hidden = !activation; // a file may give the probabilities alone
  if (activation) {
    drawMap($("map"), activation, grid, colors);
    placeMap($("map"), $("photo"), model.image_size / model.shorter_side);
  }
  const prepare = milliseconds.all - milliseconds.network;
  $("time").textContent =
    `${milliseconds.all.toFixed(0)} ms on this device: ${prepare.toFixed(0)} ms to read the photo, ` +
    `${milliseconds.network.toFixed(1)} ms in the network.`;
  $("result").hidden = false;
  $("result").scrollIntoView({ block: "nearest" });
  say(`${sure ? "" : "Not sure: perhaps "}${name}, ${percent(probabilities[best[0]])}`);
  // For tests and scripts: all probabilities, and the times in milliseconds.
  document.body.dataset.answer = JSON.stringify({ probabilities: Array.from(probabilities), milliseconds });
}

function row(name, share) {
  const parts = ["name", "share", "bar"].map((kind) => Object.assign(document.createElement("span"), { className: kind }));
  parts[0].textContent = name;
  parts[1].textContent = percent(share);
  const filled = document.createElement("span");
  filled.style.width = `${100 * share}%`;
  parts[2].append(filled);
  const item = document.createElement("li");
  item.append(...parts);
  return item;
}

function about() {
  const facts = [model.name, `${model.classes.length} classes`, `${model.image_size} × ${model.image_size} pixels`];
  facts.push(model.dtype, `${(model.bytes / 1e6).toFixed(1)} MB`);
  let text = `The network: ${facts.join(", ")}.`;
  if (model.accuracy) {
    text += ` It was right on ${model.accuracy} test photos`;
    text += model.dtype === "float32" ? "." : ", before it was made smaller.";
  }
  $("about").textContent = text;
}

for (const input of [$("file"), $("capture")]) {
  input.addEventListener("change", () => {
    predict(input.files[0]);
    input.value = ""; // so that the same photo can be chosen again
  });
}
$("choose").addEventListener("click", () => $("file").click());
$("take").addEventListener("click", async () => {
  if (matchMedia("(pointer: coarse)").matches || !navigator.mediaDevices?.getUserMedia) {
    $("capture").click(); // a phone's own camera application takes the better photos
    return;
  }
  try {
    predict(await openCamera($("camera"), $("video"), $("shoot"), $("cancel")));
  } catch {
    fail("There is no camera that this page may use. Choose a photo instead.");
  }
});
$("opacity").addEventListener("input", setOpacity);
setOpacity();

function setOpacity() {
  $("map").style.opacity = $("opacity").value / 100;
  $("opacity").setAttribute("aria-valuetext", `${$("opacity").value} %`);
}

document.addEventListener("paste", (event) => predict(event.clipboardData.files[0]));
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dragging");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("dragging");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dragging");
  if (event.dataTransfer.files.length) predict(event.dataTransfer.files[0]);
  else fail("This is no file. Drop a photo from your computer.");
});
