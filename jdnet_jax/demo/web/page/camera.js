// A photo by the camera of a computer.

/**
 * Shows the camera's picture until a photo is taken or the person has had enough.
 *
 * @param {HTMLDialogElement} dialog
 * @param {HTMLVideoElement} video
 * @param {HTMLButtonElement} shoot
 * @param {HTMLButtonElement} cancel
 * @returns {Promise<Blob | null>} the photo; null where none was taken
 * @throws {DOMException} there is no camera, or it may not be used
 */
export async function openCamera(dialog, video, shoot, cancel) {
  const stream = await navigator.mediaDevices.getUserMedia({
    video: { facingMode: "environment", width: { ideal: 1920 }, height: { ideal: 1080 } },
  });
  try {
    video.srcObject = stream;
    await video.play();
    dialog.showModal();
    return await new Promise((resolve) => {
      shoot.onclick = () => resolve(photoOf(video));
      cancel.onclick = () => resolve(null);
      dialog.onclose = () => resolve(null); // by Escape
    });
  } finally {
    dialog.close();
    video.srcObject = null;
    for (const track of stream.getTracks()) track.stop();
  }
}

function photoOf(video) {
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  canvas.getContext("2d").drawImage(video, 0, 0);
  return canvas.convertToBlob({ type: "image/png" });
}
