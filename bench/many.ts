// Links a second that PostgreSQL takes in statements of 250 rows, in deadletter's own schema: a process of its own, since floors are
// run between rounds that must not wait. Run by bench/floors.ts: bun bench/many.ts URL SECONDS

import { randomBytes } from "node:crypto";
import postgres from "postgres";
import { DEFAULT_OPTIONS } from "../src/model/link-options.ts";
import { LINK_HOSTS, LINK_TARGETS, targetKey } from "../src/model/link-sides.ts";
import { LINK } from "../src/model/link-subject.ts";
import { columns, storedColumnsOf } from "../src/model/subject.ts";
import { GENERATION } from "../src/store/generation.ts";
import { arraysOf, rowTexts } from "../src/store/postgres-rows.ts";
import type { Column } from "../src/store/store.ts";

const ROWS = 250;
const [url = "", seconds = "3"] = process.argv.slice(2);
const sql = postgres(url, { max: 1, fetch_types: false, onnotice: () => {} });

const EVENTS = columns({
  subject_type: "text",
  subject_id: "integer",
  version: "integer",
  op: "text",
  at_ms: "integer",
  leaf: "bytes",
  leaf_hash: "bytes",
  tag: "bytes",
  actor: "text",
  state: "text",
});
const URLS = storedColumnsOf(LINK).all;
const insert = (table: string, columns: readonly Column[], rows: readonly object[]) =>
  sql(rowTexts("insert", table, columns), ...arraysOf(columns, rows));

let [{ next }] = (await sql`select coalesce(max(id), 0)::int + 1 as next from urls`) as unknown as [{ next: number }];
const fixed = {
  version: 1,
  at_ms: 1_764_021_418_000,
  created_at_ms: 1_764_021_418_000,
  updated_at_ms: 1_764_021_418_000,
};
const texts = {
  op: "created",
  actor: "a".repeat(150),
  state: "b".repeat(350),
  original_url: "https://example.com/page",
  title: "",
  target_key: targetKey("https://example.com/page"),
  ...DEFAULT_OPTIONS,
};
const began = performance.now();
let count = 0;
while (performance.now() - began < Number(seconds) * 1000) {
  const rows = Array.from({ length: ROWS }, () => {
    const [id, hash] = [next++, randomBytes(32)];
    const names = { id, url_id: id, subject_id: id, subject_type: "url", short_code: `m${id}x`, host: "example.com" };
    return {
      ...fixed,
      ...texts,
      ...names,
      is_active: 1,
      leaf: Buffer.alloc(240, 7),
      leaf_hash: hash,
      tag: hash,
      head: hash,
    };
  });
  await sql.begin(
    (tx) => tx`
      with e as (${insert("events", EVENTS, rows)} returning id), u as (${insert("urls", URLS, rows)}),
      h as (${insert("link_hosts", LINK_HOSTS.columns, rows)}), t as (${insert("link_targets", LINK_TARGETS.columns, rows)})
      insert into log_queue (event_id, generation) select id, ${GENERATION}::int from e order by id`,
  );
  count += ROWS;
}
console.log(count / ((performance.now() - began) / 1000));
await sql.end();
