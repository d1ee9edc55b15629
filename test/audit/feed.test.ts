// The feed of the log: what it is told while it looks.

import { expect, test } from "bun:test";
import { LogFeed } from "../../src/audit/feed.ts";
import { applyOne } from "../../src/operations/group.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { listTail, readLogHead, type TailRow } from "../../src/store/queries/log.ts";
import type { Store } from "../../src/store/store.ts";
import { createStore, startServer, until } from "../support/harness.ts";

test("a look that was asked before the log grew, and is answered after, is no log that went back", async () => {
  const server = await startServer(await createStore("sqlite"));
  const { core, self } = server.deadletter;
  const create = () => applyOne(core, self, { type: "link.create", original_url: "https://a.example/" });
  await create();
  await server.sequence();
  const failures: unknown[] = [];
  const told: TailRow[] = [];
  let held: { readonly answered: () => void; readonly release: Promise<void> } | undefined;
  const store: Store = {
    ...core.store,
    async read(run) {
      const answer = await core.store.read(run);
      held?.answered();
      await held?.release;
      return answer;
    },
  };
  const feed = new LogFeed({
    clock: systemClock,
    store,
    key: core.logKey,
    onHead: () => {},
    onFailure: (error) => failures.push(error),
  });
  feed.follow({ onEntries: (entries) => told.push(...entries) });
  feed.start();
  await until("the feed has looked", () => feed.next !== undefined);
  const before = feed.next ?? 0;
  const [answered, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  held = { answered: answered.resolve, release: release.promise };
  feed.poke();
  await answered.promise;
  // Meanwhile this process's own sequencer puts an entry in, and says so.
  await create();
  await server.sequence();
  const [entry] = await core.store.read((sql) => listTail(sql, before, 1));
  feed.take([entry as TailRow], feed.place?.epoch ?? 0);
  held = undefined;
  release.resolve();
  const releasedMs = systemClock.monotonic();
  await until("it has looked again since", () => feed.heardMs >= releasedMs);
  expect([feed.next, told.length]).toEqual([before + 1, 1]);
  expect(failures).toEqual([]);
  expect(feed.refusal).toBeUndefined();
  await feed.close();
  await server.close();
  server.store.remove();
});

test("who waits is woken where the log had grown before it was looked at first", async () => {
  const server = await startServer(await createStore("sqlite"));
  const { core, self } = server.deadletter;
  const [{ size } = { size: 0 }] = await core.store.read(readLogHead);
  await applyOne(core, self, { type: "link.create", original_url: "https://a.example/" });
  await server.sequence();
  const feed = new LogFeed({ clock: systemClock, store: core.store, key: core.logKey, onHead() {}, onFailure() {} });
  let isWoken = false;
  void feed.wait(size, 600_000, new AbortController().signal).then((isHeard) => {
    isWoken = isHeard;
  });
  await until("who waits is woken", () => isWoken);
  await feed.close();
  await server.close();
  server.store.remove();
});
