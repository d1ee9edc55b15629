// Records that were read and wait to be imported, in a file of their own (scratch.ts), where each link finds its history.

import { badRequest } from "../errors.ts";
import type { LegacyEvent, LegacyLink, LegacyUser } from "./records.ts";
import { openScratch } from "./scratch.ts";

export interface StagedEvent {
  readonly line: number;
  readonly order: number;
  readonly urlId: number;
  readonly atMs: number;
  readonly event: LegacyEvent;
}

/** A link with its history, verbatim as it stood in the file, oldest first. */
export type StagedLink = LegacyLink & { readonly history: readonly LegacyEvent[] };

const TABLES = `
  create table users (id integer primary key, line, username, email, createdAtMs, name_key unique, email_key unique);
  create table links (id integer primary key, line, userId, code unique, originalUrl, title, isActive, createdAtMs,
    updatedAtMs, deletions integer not null default 0);
  create table events (ord integer primary key, line, urlId, atMs, event);
`;

export class Staging {
  readonly #database = openScratch(TABLES);
  #isIndexed = false;

  /** Throws bad_request where an id, a name or an address stands on an earlier line. */
  addUser({ line, id, username, email, createdAtMs }: LegacyUser): void {
    const keys = [username.toLowerCase(), email.toLowerCase()] as const;
    const { changes } = this.#database
      .query("insert into users values (?, ?, ?, ?, ?, ?, ?) on conflict do nothing")
      .run(id, line, username, email, createdAtMs, ...keys);
    if (changes === 0)
      this.#refuseRepeat("users", [
        ["id", id, `id ${id}`],
        ["name_key", keys[0], `username ${keys[0]}`],
        ["email_key", keys[1], `email ${keys[1]}`],
      ]);
  }

  addLink(link: LegacyLink): void {
    const { line, id, userId, code, originalUrl, title, isActive, createdAtMs, updatedAtMs } = link;
    const { changes } = this.#database
      .query("insert into links values (?, ?, ?, ?, ?, ?, ?, ?, ?, 0) on conflict do nothing")
      .run(id, line, userId, code, originalUrl, title, isActive ? 1 : 0, createdAtMs, updatedAtMs);
    if (changes === 0)
      this.#refuseRepeat("links", [
        ["id", id, `id ${id}`],
        ["code", code, `short_code ${code}`],
      ]);
  }

  /** Throws bad_request for one of no link, too. */
  addEvent({ line, order, urlId, atMs, event }: StagedEvent): void {
    const { changes: found } = this.#database
      .query("update links set deletions = deletions + ? where id = ?")
      .run(event.event_type === "deleted" ? 1 : 0, urlId);
    if (found === 0) throw badRequest(`url_id: no link ${urlId} in the links file`);
    const { changes } = this.#database
      .query("insert into events values (?, ?, ?, ?, ?) on conflict do nothing")
      .run(order, line, urlId, atMs, JSON.stringify(event));
    if (changes === 0) this.#refuseRepeat("events", [["ord", order, `id ${order}`]]);
  }

  get counts(): { readonly users: number; readonly links: number; readonly events: number } {
    const count = (table: string) =>
      this.#database.query<{ n: number }, []>(`select count(*) as n from ${table}`).get()?.n ?? 0;
    return { users: count("users"), links: count("links"), events: count("events") };
  }

  hasUser(id: number): boolean {
    return this.#database.query("select 1 from users where id = ?").get(id) !== null;
  }

  largestId(table: "users" | "links"): number {
    return this.#database.query<{ id: number | null }, []>(`select max(id) as id from ${table}`).get()?.id ?? 0;
  }

  /** The largest ids first, so that whoever makes something meanwhile gets an id past all of them. */
  *users(size: number): Generator<readonly LegacyUser[]> {
    yield* this.#batches<LegacyUser>("users", size);
  }

  *links(size: number): Generator<readonly StagedLink[]> {
    if (!this.#isIndexed) this.#database.run("create index events_of on events (urlId, atMs, ord)");
    this.#isIndexed = true;
    const events = this.#database.query<{ urlId: number; event: string }, [number, number]>(
      "select urlId, event from events where urlId between ? and ? order by urlId, atMs, ord",
    );
    for (const batch of this.#batches<LegacyLink>("links", size)) {
      const range = [batch.at(-1)?.id ?? 0, batch[0]?.id ?? 0] as const;
      const histories = Map.groupBy(events.all(...range), ({ urlId }) => urlId);
      yield batch.map((link) => ({
        ...link,
        isActive: Boolean(link.isActive),
        history: (histories.get(link.id) ?? []).map(({ event }) => JSON.parse(event) as LegacyEvent),
      }));
    }
  }

  /** Codes of links whose old history cannot have led to their state. */
  contradictions() {
    const codes = (condition: string) =>
      this.#database
        .query<{ code: string }, []>(`select code from links where ${condition} order by line`)
        .all()
        .map(({ code }) => code);
    return {
      active_though_deleted: codes("isActive = 1 and deletions > 0"),
      inactive_without_deletion: codes("isActive = 0 and deletions = 0"),
    };
  }

  close(): void {
    this.#database.close();
  }

  *#batches<Row extends { readonly id: number }>(table: string, size: number): Generator<readonly Row[]> {
    const page = this.#database.query<Row, [number, number]>(
      `select * from ${table} where id < ? order by id desc limit ?`,
    );
    for (let before = Number.MAX_SAFE_INTEGER; ; ) {
      const rows = page.all(before, size);
      const last = rows.at(-1);
      if (!last) return;
      yield rows;
      before = last.id;
    }
  }

  #refuseRepeat(table: string, keys: readonly (readonly [string, string | number, string])[]): never {
    for (const [column, value, said] of keys) {
      const earlier = this.#database
        .query<{ line: number }, [string | number]>(`select line from ${table} where ${column} = ?`)
        .get(value);
      if (earlier) throw badRequest(`${said} stands on line ${earlier.line} already`);
    }
    throw new Error("a row was refused that repeats nothing");
  }
}
