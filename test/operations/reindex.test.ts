// Side tables: what is false in them is named by verify and mended by reindex; what is changed meanwhile stays right.

import { expect, test } from "bun:test";
import { LIMITS } from "../../src/limits.ts";
import type { Command } from "../../src/model/command.ts";
import { apply } from "../../src/operations/apply.ts";
import { forgetSideTables, readSideTableStandings, reindex, reindexAll } from "../../src/operations/reindex.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { GENERATION } from "../../src/store/generation.ts";
import { describeEachEngine } from "../support/harness.ts";

describeEachEngine("link_hosts", (server) => {
  const findings = async () => (await server().verify()).map(({ subject, detail }) => `${subject}: ${detail}`);
  const fill = () => reindexAll(server().deadletter.core.store, systemClock);
  const hosts = async () =>
    (await server().store.query<{ host: string }>("select host from link_hosts order by url_id")).map(
      ({ host }) => host,
    );

  test("has the host of each link as it is looked up: lower case, in ASCII, without a dot at its end", async () => {
    const { call } = server();
    for (const target of [
      "https://Example.COM./a",
      "http://bücher.example:8080/",
      "https://[2001:DB8::1]/",
      "http://10.1/",
    ])
      await call("POST", "/urls", { original_url: target });
    expect(await hosts()).toEqual(["example.com", "xn--bcher-kva.example", "[2001:db8::1]", "10.0.0.1"]);
    await call("PATCH", "/urls/1", { original_url: "https://moved.example/" });
    await call("DELETE", "/urls/2");
    expect((await hosts()).slice(0, 2)).toEqual(["moved.example", "xn--bcher-kva.example"]);
    expect(await findings()).toEqual([]);
  });

  test("that lies is named by verify once it is complete, and is right after reindex", async () => {
    const { store, deadletter } = server();
    await fill();
    expect(await readSideTableStandings(deadletter.core.store)).toEqual(
      ["link_hosts", "link_tags", "link_targets"].map((name) => ({
        name,
        through_id: expect.any(Number),
        is_complete: true,
      })),
    );
    await store.tamper("update link_hosts set host = 'evil.example' where url_id = 1");
    await store.tamper("delete from link_hosts where url_id = 2");
    await store.tamper("insert into link_hosts (url_id, host) values (987654, 'stray.example')");
    expect(await findings()).toEqual([
      "url:1: link_hosts does not follow from it: deadletter reindex makes it anew",
      "url:2: link_hosts does not follow from it: deadletter reindex makes it anew",
      "table of link_hosts: has 1 rows that cannot be: deadletter reindex makes it anew",
    ]);
    await forgetSideTables(deadletter.core.store);
    // Nobody relies on it meanwhile, and nothing false is said of it.
    expect(await findings()).toEqual([]);
    await fill();
    expect((await hosts()).slice(0, 2)).toEqual(["moved.example", "xn--bcher-kva.example"]);
    expect(await findings()).toEqual([]);
  });

  test("is filled in batches from where the last ended, while links are made and changed", async () => {
    const { core, self } = server().deadletter;
    const { store } = core;
    const many = Array.from(
      { length: 2 * LIMITS.reindexRows },
      (_, at): Command => ({ type: "link.create", original_url: `https://h${at}.example/` }),
    );
    const ids = (await apply(core, self, many)).map(({ state }) => Number(state.id));
    await forgetSideTables(store);
    await server().store.tamper("delete from link_hosts");
    // One batch, and a process that stops after it.
    expect(await reindex(store, { isStopped: () => true })).toEqual({ state: "busy", filled: LIMITS.reindexRows });
    const [standing] = await readSideTableStandings(store);
    expect(standing?.is_complete).toBe(false);
    const [rest] = await Promise.all([
      reindexAll(store, systemClock),
      ...Array.from({ length: 50 }, (_, at) =>
        apply(core, self, [
          { type: "link.update", id: ids[at * 10] ?? 0, original_url: `https://moved${at}.example/` },
        ]),
      ),
      ...Array.from({ length: 50 }, () =>
        apply(core, self, [{ type: "link.create", original_url: "https://new.example/" }]),
      ),
    ]);
    expect(rest?.filled).toBeGreaterThanOrEqual(LIMITS.reindexRows);
    expect(await hosts()).toHaveLength(4 + 2 * LIMITS.reindexRows + 50);
    expect(await findings()).toEqual([]);
  });

  test("is not filled while older releases may write, which would not keep it", async () => {
    const { store, deadletter } = server();
    await store.tamper("update store_generation set generation = 1");
    expect(await reindex(deadletter.core.store)).toEqual({ state: "waiting", filled: 0 });
    await store.tamper(`update store_generation set generation = ${GENERATION}`);
    expect((await reindex(deadletter.core.store)).state).toBe("complete");
  });
});
