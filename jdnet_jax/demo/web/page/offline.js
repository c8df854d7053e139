// The page as an application: kept for use without a network, and installed where the browser offers that.

/**
 * Lets the service worker keep all that this page uses.
 *
 * @param {string[]} files of the site that every browser uses
 * @param {string[]} loaded what the worker has loaded besides: the runtime has several builds, of which a browser uses one
 * @returns {Promise<boolean>} whether it is kept; not where the browser has no service workers, as over plain HTTP
 */
export async function keepOffline(files, loaded) {
  if (!navigator.serviceWorker) return false;
  try {
    await navigator.serviceWorker.register("sw.js");
    const { active } = await navigator.serviceWorker.ready;
    const urls = [...files, ...loaded].map((file) => new URL(file, document.baseURI).href);
    const { port1, port2 } = new MessageChannel();
    const answer = new Promise((resolve) => (port1.onmessage = ({ data }) => resolve(data)));
    active.postMessage([...new Set(urls)], [port2]);
    return await answer;
  } catch {
    return false; // private windows may refuse; the page works all the same
  }
}

/** Shows the button when the browser can install the page. */
export function offerInstallation(button) {
  addEventListener("beforeinstallprompt", (event) => {
    event.preventDefault();
    button.hidden = false;
    button.onclick = () => {
      button.hidden = true;
      event.prompt();
    };
  });
}
