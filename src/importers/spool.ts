// Links that were read and wait to be imported, in a file of their own (scratch.ts), where each code is told from all others.

import type { Adoptable } from "../operations/adopt.ts";
import { openScratch } from "./scratch.ts";

export class Spool {
  readonly #database = openScratch("create table links (id integer primary key, code unique, place, link)");
  count = 0;

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
