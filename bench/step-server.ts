// What deadletter is measured against, and what it is made of: Bun.serve with a constant redirect (0 links), with a Map of as
// many links and nothing else, and then with one more part of deadletter's redirect path at a time, each the product's own.
//
//   bun bench/step-server.ts LINKS [STEP]

import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Clicks } from "../src/clicks/clicks.ts";
import { newClickCounts } from "../src/clicks/metrics.ts";
import { requestIdOf } from "../src/http/exchange.ts";
import { RedirectCache } from "../src/redirect/cache.ts";
import { Resolver } from "../src/redirect/resolve.ts";
import { createLogger } from "../src/runtime/logger.ts";
import { SYSTEM } from "../src/runtime/outside.ts";
import type { Store } from "../src/store/store.ts";
import { STEPS } from "./steps.ts";

const count = Number(process.argv[2] ?? 0);
const step = STEPS.findIndex((name) => name === (process.argv[3] ?? "a Map"));
const has = (name: (typeof STEPS)[number]) => step >= STEPS.indexOf(name);

const codeOf = (id: number) => `c${String(id).padStart(8, "0")}`;
const targetOf = (id: number) => `https://example.com/page/${id}`;
const links = new Map<string, string>();
const cache = new RedirectCache({ entries: count * 2 + 10_000, missing: 1_000, bytes: 2 ** 32 });
for (let id = 1; id <= count; id++) {
  if (has("our cache"))
    cache.set(codeOf(id), {
      outcome: "found",
      urlId: id,
      expiresAtMs: null,
      location: targetOf(id),
      version: 1,
      cachedAtMs: 0,
      options: undefined,
    });
  else links.set(codeOf(id), targetOf(id));
}

// Nothing here is looked up in a store, nor recorded in one.
const store = undefined as unknown as Store;
const resolver = new Resolver({
  clock: SYSTEM.clock,
  store,
  cache,
  heardMs: () => performance.now(),
  leaseUntilMs: () => Number.POSITIVE_INFINITY,
  isStoreSilent: () => false,
  staleMaxMs: 1_000,
  outageMs: 0,
  counts: { hit: 0, miss: 0, recheck: 0, outage: 0 },
});
const clicks = new Clicks({
  store,
  recorder: {
    record: () => Promise.resolve({ clicks: 0, chunks: [] }),
    start: () => Promise.resolve(),
    setBusy: () => undefined,
    hurry: () => undefined,
    close: () => Promise.resolve(),
  },
  counts: newClickCounts(),
  folder: mkdtempSync(join(tmpdir(), "deadletter-bench-clicks-")),
  retentionDays: 0,
  outside: SYSTEM,
  onError: console.error,
});
const log = createLogger("info", Bun.file("/dev/null").writer());

const [isNumbered, isCached, isCounted, isLogged] = [
  has("a number for the request"),
  has("our cache"),
  has("clicks"),
  has("a log line"),
];
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  development: false,
  routes: {
    "/:code": {
      GET: (request) => {
        const { code } = request.params;
        let target: string | undefined;
        let urlId = 1;
        if (isCached) {
          const found = resolver.resolveNow(code, Date.now());
          if (found?.outcome === "found") ({ urlId, location: target } = found);
        } else target = count === 0 ? "https://example.com/page" : links.get(code);
        if (target === undefined) return new Response(null, { status: 404 });
        if (!isNumbered)
          return new Response(null, {
            status: 302,
            headers: { location: target, "cache-control": "private, no-store" },
          });
        if (isCounted) clicks.add(urlId, request);
        const requestId = requestIdOf(request);
        if (isLogged) log.redirect(requestId, request.method);
        return new Response(null, {
          status: 302,
          headers: { location: target, "cache-control": "private, no-store", "x-request-id": requestId },
        });
      },
    },
  },
});
console.log(`http://127.0.0.1:${server.port}`);
