// Links that were read and wait to be imported: in a SQLite file of their own, so that any number of them takes no memory and each
// code is told from all others. The file has no name from the first moment on, so that nothing is left however the process ends.

import { Database } from "bun:sqlite";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Adoptable } from "../operations/adopt.ts";

export class Spool {
  readonly #database: Database;
  count = 0;

  constructor() {
    const folder = mkdtempSync(join(tmpdir(), "deadletter-import-"));
    this.#database = new Database(join(folder, "spool.db"), { strict: true });
    for (const pragma of ["journal_mode = off", "synchronous = off", "locking_mode = exclusive", "cache_size = -16384"])
      this.#database.run(`pragma ${pragma}`);
    this.#database.run("create table links (id integer primary key, code unique, place, link)");
    rmSync(folder, { recursive: true, force: true });
    this.#database.run("begin");
  }

  /** Where a link with the same code stood that was added before; undefined where there was none, and it is added. */
  add(link: Adoptable): string | undefined {
    const code = link.command.short_code;
    const { changes } = this.#database
      .query("insert into links (code, place, link) values (?, ?, ?) on conflict do nothing")
      .run(code, link.place, JSON.stringify(link));
    this.count += changes;
    if (changes > 0) return undefined;
    return this.#database.query<{ place: string }, [string]>("select place from links where code = ?").get(code)?.place;
  }

  *batches(size: number): Generator<readonly Adoptable[]> {
    const next = this.#database.query<{ id: number; link: string }, [number, number]>(
      "select id, link from links where id > ? order by id limit ?",
    );
    for (let afterId = 0; ; ) {
      const rows = next.all(afterId, size);
      if (rows.length === 0) return;
      yield rows.map(({ link }) => JSON.parse(link) as Adoptable);
      afterId = rows.at(-1)?.id ?? afterId;
    }
  }

  close(): void {
    this.#database.close();
  }
}
