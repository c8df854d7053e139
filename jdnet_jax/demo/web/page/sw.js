// Keeps the page for use without a network. With one, the network's answer counts, so that a new student is seen at once.

const KEPT = `jdnet_jax ${self.registration.scope}`;

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  if (event.request.method !== "GET" || new URL(event.request.url).origin !== location.origin) return;
  event.respondWith(fetch(event.request).catch((error) => kept(event.request, error)));
});

async function kept(request, error) {
  const cache = await caches.open(KEPT);
  const cached = await cache.match(request.mode === "navigate" ? self.registration.scope : request);
  if (!cached) throw error;
  return cached;
}

/** The page sends all addresses that it uses; they are kept together or not at all, and others are forgotten. */
self.addEventListener("message", (event) => event.waitUntil(keep(event.data, event.ports[0])));

async function keep(urls, port) {
  try {
    const cache = await caches.open(KEPT);
    await cache.addAll(urls.map((url) => new Request(url, { cache: "no-cache" })));
    for (const request of await cache.keys()) if (!urls.includes(request.url)) await cache.delete(request);
    port.postMessage(true);
  } catch {
    port.postMessage(false);
  }
}
