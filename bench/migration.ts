// How long the newest migration, finalizing and filling the side tables take on a store with many links, on both engines, and how
// much bigger its file gets meanwhile. The links are made by SQL in the shape the first release gave them; nothing else runs.
//
//   bun bench/migration.ts [--links 1000000]

import { statSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openStore } from "../src/app/open-store.ts";
import { reindexAll } from "../src/operations/reindex.ts";
import { systemClock } from "../src/runtime/clock.ts";
import { finalize } from "../src/store/generation.ts";
import { migrate } from "../src/store/migrate.ts";
import { migrationsFor } from "../src/store/migrations.ts";
import { createSchemaTable, recordMigration } from "../src/store/queries/schema.ts";
import { createStore, ENGINES, type TestStore } from "../test/support/harness.ts";
import { stopServer } from "../test/support/postgres.ts";
import { openReport } from "./report.ts";

const report = openReport("migration");
const { values } = parseArgs({ options: { links: { type: "string", default: "1000000" } } });
const links = Number(values.links);
/** The migrations that the first release had, and the one after it. */
const BEFORE = 4;

/** One event and one row for each of so many links: the sizes are those of a link with a short target and a key's holder. */
async function fill({ engine, tamper, query }: TestStore): Promise<void> {
  const isSqlite = engine === "sqlite";
  const numbers = isSqlite
    ? `with recursive n (i) as (select 1 union all select i + 1 from n where i < ${links})`
    : `with n (i) as (select generate_series(1, ${links}))`;
  const bytes = (size: number, number: string) =>
    isSqlite
      ? `cast(substr(printf('%0*d', ${size}, ${number}), 1, ${size}) as blob)`
      : `convert_to(lpad(${number}::text, ${size}, '0'), 'UTF8')`;
  const text = (size: number) => (isSqlite ? `printf('%0*d', ${size}, i)` : `lpad(i::text, ${size}, '0')`);
  const code = isSqlite ? "printf('c%08d', i)" : "'c' || lpad(i::text, 8, '0')";
  // Without triggers: on SQLite they are dropped, on PostgreSQL they rest.
  const run = (statement: string) =>
    isSqlite ? tamper(statement, { guardsOff: true }) : tamper(`set session_replication_role = replica; ${statement}`);
  await run(
    `insert into events (subject_type, subject_id, version, op, at_ms, leaf, leaf_hash, tag, actor, state)
     ${numbers} select 'url', i, 1, 'created', 1790000000000 + i, ${bytes(310, "i")}, ${bytes(32, "i")}, ${bytes(32, "i")},
                       ${text(130)}, ${text(330)} from n`,
  );
  await run(
    `insert into urls (id, short_code, original_url, title, is_active, created_at_ms, updated_at_ms, version, head)
     ${numbers} select i, ${code}, 'https://host' || (i % 5000) || '.example/page/' || i, '', 1, 1790000000000 + i,
                       1790000000000 + i, 1, ${bytes(32, "i")} from n`,
  );
  await query(isSqlite ? "select 1" : "analyze");
}

async function seconds(run: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await run();
  return (performance.now() - startedMs) / 1000;
}

report.print(`${links} links of one event each, made by the first release's schema`);
for (const engine of ENGINES) {
  const test = await createStore(engine);
  const store = await openStore(test.config);
  await store.migrate(async (tx) => {
    await createSchemaTable(tx);
    for (const { version, name, checksum, script } of migrationsFor(engine).slice(0, BEFORE)) {
      await tx.script(script);
      await recordMigration(tx, { version, name, checksum, applied_at_ms: 0 });
    }
  });
  await fill(test);
  // Guards went with filling it; what the migration drops must be there.
  if (engine === "sqlite") await test.tamper(guards());
  const megabytes = () =>
    engine === "sqlite" ? statSync(join(test.config.dataDir, "deadletter.db")).size / 2 ** 20 : Number.NaN;
  const before = megabytes();
  const migrating = await seconds(() => migrate(store, { nowMs: 0 }));
  const finalizing = await seconds(() => finalize(store));
  const filling = await seconds(() => reindexAll(store, systemClock));
  const size = engine === "sqlite" ? `; file ${before.toFixed(0)} MB before, ${megabytes().toFixed(0)} MB after` : "";
  report.print(
    `${engine.padEnd(9)} migrate ${migrating.toFixed(2)} s, finalize ${finalizing.toFixed(2)} s, fill side tables ${filling.toFixed(1)} s${size}`,
  );
  await store.close();
  test.remove();
}
await stopServer();
report.save();
process.exit(0);

/** The triggers of the first two migrations that keep the tables. */
function guards(): string {
  const names = ["events_guard_update", "events_guard_delete"];
  for (const table of ["users", "keys", "urls"])
    for (const what of ["insert", "update", "delete"]) names.push(`${table}_guard_${what}`);
  return names
    .map((name) => {
      const table = name.split("_")[0] ?? "";
      const what = name.split("_").at(-1) ?? "";
      return `create trigger ${name} before ${what} on ${table} begin select 1; end;`;
    })
    .join("\n");
}
