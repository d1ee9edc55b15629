// A lookup that is on its way while its link changes: what it found is neither kept nor given to those who ask after the change.

import { expect, test } from "bun:test";
import type { Destination } from "../../src/model/destination.ts";
import { RedirectCache } from "../../src/redirect/cache.ts";
import { Resolver } from "../../src/redirect/resolve.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import type { Store } from "../../src/store/store.ts";
import { createStore, startServer } from "../support/harness.ts";

async function scene() {
  const testStore = await createStore("sqlite");
  const server = await startServer(testStore);
  await server.call("POST", "/urls", { original_url: "https://a.b/old", short_code: "code" });
  const { store } = server.deadletter.core;
  /** Reads that have been answered by the store, and that nobody is told of yet. */
  const held: (() => void)[] = [];
  const slow: Store = {
    ...store,
    read: async (run) => {
      const value = await store.read(run);
      await new Promise<void>((resolve) => held.push(resolve));
      return value;
    },
  };
  const cache = new RedirectCache({ entries: 100, missing: 100, bytes: 2 ** 20 });
  const resolver = new Resolver({
    clock: systemClock,
    store: slow,
    cache,
    heardMs: () => systemClock.monotonic(),
    leaseUntilMs: () => Number.POSITIVE_INFINITY,
    isStoreSilent: () => false,
    staleMaxMs: 1_000,
    outageMs: 0,
    counts: { hit: 0, miss: 0, recheck: 0, outage: 0 },
  });
  const isHeld = async (count: number) => {
    while (held.length < count) await new Promise((resolve) => void setImmediate(resolve));
  };
  const release = () => {
    for (const each of held.splice(0)) each();
  };
  const change = async () => {
    const { json } = await server.call("PUT", "/urls/code", { original_url: "https://a.b/new" });
    const { id, version } = json as { id: number; version: number };
    const link: Destination = {
      id,
      short_code: "code",
      original_url: "https://a.b/new",
      is_active: 1,
      expires_at_ms: null,
      starts_at_ms: null,
      status: 302,
      max_age: null,
      forward: "none",
      query_wins: "target",
      version,
    };
    return link;
  };
  const close = async () => {
    await server.close();
    testStore.remove();
  };
  return { cache, resolver, isHeld, release, change, close };
}

test("is not cached where its code was heard of meanwhile, and asked again by who comes then", async () => {
  const { cache, resolver, isHeld, release, change, close } = await scene();
  const early = resolver.resolve("code");
  await isHeld(1);
  resolver.refresh(await change());
  const late = resolver.resolve("code");
  await isHeld(2);
  release();
  expect([await early, await late].map((found) => (found as { location: string }).location)).toEqual([
    "https://a.b/old",
    "https://a.b/new",
  ]);
  expect(cache.get("code")).toMatchObject({ location: "https://a.b/new" });
  await close();
});

test("is not cached where all was forgotten meanwhile, since the log went back", async () => {
  const { cache, resolver, isHeld, release, close } = await scene();
  const early = resolver.resolve("code");
  await isHeld(1);
  resolver.forget();
  release();
  await early;
  expect(cache.get("code")).toBeUndefined();
  await close();
});

test("is shared by all who ask meanwhile", async () => {
  const { resolver, isHeld, release, close } = await scene();
  const all = Array.from({ length: 10 }, () => resolver.resolve("code"));
  await isHeld(1);
  release();
  expect(new Set((await Promise.all(all)).map((found) => (found as { location: string }).location))).toEqual(
    new Set(["https://a.b/old"]),
  );
  await close();
});
