// Links a second that PostgreSQL takes in statements of 250 rows, in deadletter's own schema: a process of its own, since floors are
// run between rounds that must not wait. Run by bench/floors.ts: bun bench/many.ts URL SECONDS

import { randomBytes } from "node:crypto";
import postgres from "postgres";
import { arraysOf, rowTexts } from "../src/store/postgres-rows.ts";
import type { Column } from "../src/store/store.ts";

const ROWS = 250;
const [url = "", seconds = "3"] = process.argv.slice(2);
const sql = postgres(url, { max: 1, fetch_types: false, onnotice: () => {} });

const column = (name: string, type: Column["type"] = "integer"): Column => ({ name, type });
const EVENTS = [
  column("subject_type", "text"),
  column("subject_id"),
  column("version"),
  column("op", "text"),
  column("at_ms"),
  column("leaf", "bytes"),
  column("leaf_hash", "bytes"),
  column("tag", "bytes"),
  column("actor", "text"),
  column("state", "text"),
];
const URLS = [
  column("id"),
  column("short_code", "text"),
  column("original_url", "text"),
  column("title", "text"),
  column("is_active"),
  column("created_at_ms"),
  column("updated_at_ms"),
  column("version"),
  column("head", "bytes"),
];
const HOSTS = [column("url_id"), column("host", "text")];
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
      h as (${insert("link_hosts", HOSTS, rows)})
      insert into log_queue (event_id, generation) select id, 2 from e order by id`,
  );
  count += ROWS;
}
console.log(count / ((performance.now() - began) / 1000));
await sql.end();
