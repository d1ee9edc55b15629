// Lists read an index in its order: whatever the filter, no page ever sorts a table.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Deadletter } from "../../src/app/assemble.ts";
import { open } from "../../src/app/open.ts";
import { LINK_HOSTS } from "../../src/model/link-sides.ts";
import { applyOne } from "../../src/operations/group.ts";
import { createLogger } from "../../src/runtime/logger.ts";
import { listEvents, listHistory } from "../../src/store/queries/events.ts";
import { findLinkByCode, listLinks } from "../../src/store/queries/links.ts";
import { listSideRows } from "../../src/store/queries/side-tables.ts";
import { listUsers } from "../../src/store/queries/users.ts";
import type { Query, Sql, Store } from "../../src/store/store.ts";
import { createStore, ENGINES, type TestStore } from "../support/harness.ts";

const page = { limit: 50, offset: 0 };
const before = { createdAtMs: 5, id: 5 };
const QUERIES: Record<string, (sql: Sql) => Query<unknown>> = {
  "links, newest first": (sql) => listLinks(sql, page),
  "links after a cursor": (sql) => listLinks(sql, { ...page, before }),
  "links of a user after a cursor": (sql) => listLinks(sql, { ...page, before, userId: 1 }),
  "inactive links after a cursor": (sql) => listLinks(sql, { ...page, before, isActive: false }),
  "a link by its code": (sql) => findLinkByCode(sql, "abc"),
  users: (sql) => listUsers(sql, { ...page, afterId: 5 }),
  "events, newest first": (sql) => listEvents(sql, page),
  "events after a cursor": (sql) => listEvents(sql, { ...page, before: { atMs: 5, id: 5 } }),
  "events of a type": (sql) => listEvents(sql, { ...page, type: "deleted" }),
  "events by a user in a time": (sql) => listEvents(sql, { ...page, userId: 1, sinceMs: 1, untilMs: 9 }),
  "a link's history": (sql) => listHistory(sql, { type: "url", id: 1 }, { ...page, afterVersion: 0 }),
};

describe.each([...ENGINES])("query plans on %s", (engine) => {
  let store: TestStore;
  let deadletter: Deadletter;
  let opened: Store;
  beforeAll(async () => {
    store = await createStore(engine);
    deadletter = await open(store.config, { log: createLogger("silent"), via: "test" });
    opened = deadletter.core.store;
    const create = (link: number) =>
      applyOne(deadletter.core, deadletter.self, { type: "link.create", original_url: `https://a.b/${link}` });
    for (let round = 0; round < 10; round++)
      await Promise.all(Array.from({ length: 100 }, (_, link) => create(round * 100 + link)));
    await store.tamper("analyze");
  });
  afterAll(async () => {
    await deadletter.close();
    store.remove();
  });

  async function planOf(query: (sql: Sql) => Query<unknown>, isFree = false): Promise<string> {
    if (engine === "sqlite") return JSON.stringify(await opened.read((sql) => sql`explain query plan ${query(sql)}`));
    return opened.begin(async (tx) => {
      if (!isFree) {
        // A small table is cheapest to read whole; what matters is what the planner can do without.
        await tx`set local enable_seqscan = off`;
        await tx`set local enable_bitmapscan = off`;
      }
      return JSON.stringify(await tx`explain ${query(tx)}`);
    });
  }

  test.each(Object.entries(QUERIES))("%s: index only, no sort", async (_, query) => {
    const plan = await planOf(query);
    expect(plan).toMatch(/index|primary key/i);
    expect(plan).not.toMatch(/temp b-tree|\bSort\b|SCAN (urls|e|events|users)(?! USING)|Seq Scan/);
  });

  test("what a redirect that misses the cache asks is one look into one index, with 1,000 links already", async () => {
    const plan = await planOf((sql) => findLinkByCode(sql, "abc"), true);
    expect(plan).toMatch(
      engine === "sqlite" ? /SEARCH urls USING INDEX \w+ \(short_code=\?\)/ : /^\[\{"QUERY PLAN":"Index Scan using/,
    );
    expect(plan).not.toMatch(/SCAN urls|Seq Scan|Bitmap|sort|temp b-tree/i);
  });

  test("many values are looked up by an index, and read once where the planner reads the whole table all the same", async () => {
    const ids = Array.from({ length: 2_000 }, (_, at) => 1 + at);
    const plan = await planOf((sql) => listSideRows(sql, LINK_HOSTS, ids));
    if (engine === "sqlite") return expect(plan).toMatch(/SEARCH link_hosts USING INTEGER PRIMARY KEY/);
    expect(plan).toMatch(/Index Scan using link_hosts_pkey/);
    const whole = await opened.begin(async (tx) => {
      await tx`set local enable_seqscan = on`;
      await tx`set local enable_indexscan = off`;
      await tx`set local enable_bitmapscan = off`;
      return JSON.stringify(await tx`explain ${listSideRows(tx, LINK_HOSTS, ids)}`);
    });
    expect(whole).toMatch(/Seq Scan.*InitPlan/);
  });
});
