// A store that grows before anything was analyzed: what was planned while its tables were small looks rows up all the same.

import { expect, test } from "bun:test";
import { open } from "../../src/app/open.ts";
import { beginBatch } from "../../src/operations/bulk.ts";
import { createLogger } from "../../src/runtime/logger.ts";
import { createStore, until } from "../support/harness.ts";

test("PostgreSQL reads no table whole for each batch of a store that was new a moment ago", async () => {
  const store = await createStore("postgres");
  const deadletter = await open({ ...store.config, poolSize: 2 }, { log: createLogger("silent"), via: "test" });
  const { core, self } = deadletter;
  try {
    const create = (code: string) =>
      ({ type: "link.create", original_url: "https://a.example/", short_code: code }) as const;
    const settings = await core.store.read(
      (sql) => sql`select current_setting('enable_seqscan') as seqscan, current_setting('jit') as jit`,
    );
    expect(settings).toEqual([{ seqscan: "off", jit: "off" }]);
    // So many small ones that the plans are kept.
    const sizes = [...Array(30).fill(1), ...Array(12).fill(250)] as number[];
    for (const [batch, size] of sizes.entries()) {
      const asks = Array.from({ length: size }, (_, at) => ({
        caller: self,
        command: create(`growth-${batch}-${at}`),
      }));
      const results = await beginBatch(core, asks, { isDryRun: false }).results;
      expect(results.filter((result) => "refusal" in result)).toEqual([]);
    }
    const made = sizes.reduce((sum, size) => sum + size, 0);
    // A process of the server tells of what it has read at the end of a transaction, a second later at the soonest.
    const read = async () => {
      await Promise.all([1, 2].map(() => core.store.read((sql) => sql`select 1`)));
      const [row] = await store.query<{ made: string; whole: string; looked: string }>(`
        select n_tup_ins as made, (select sum(seq_tup_read) from pg_stat_user_tables where relname in ('urls', 'events')) as whole,
          (select idx_tup_read from pg_stat_user_indexes where indexrelname = 'events_subject_key') as looked
        from pg_stat_user_tables where relname = 'urls'`);
      return { made: Number(row?.made), whole: Number(row?.whole), looked: Number(row?.looked) };
    };
    await until("all of it is counted", async () => (await read()).made >= made);
    const { whole, looked } = await read();
    expect(looked).toBeLessThan(3 * made);
    expect(whole).toBeLessThan(3 * made);
  } finally {
    await deadletter.close();
    store.remove();
  }
}, 60_000);
