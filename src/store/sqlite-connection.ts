// One bun:sqlite connection: its settings, its prepared statements, its errors in the words that both engines share.

import { Database, type Statement } from "bun:sqlite";
import { LIMITS } from "../limits.ts";
import { mapSqliteError } from "./sqlite-errors.ts";
import { type StatementRunner, sqliteTag } from "./sqlite-tag.ts";
import type { Sql, Value } from "./store.ts";

export class SqliteConnection implements StatementRunner {
  readonly isThreaded = false;
  readonly hasEnded = false;
  readonly database: Database;
  /** Runs what is a part of a transaction: one that SQLite has ended by itself, on a full disk for example, leaves nothing standing. */
  readonly inside = {
    all: (text: string, values: readonly Value[]): unknown[] => {
      this.#assertInside();
      return this.all(text, values);
    },
    each: (text: string, rows: readonly (readonly Value[])[]): void => {
      this.#assertInside();
      this.each(text, rows);
    },
  };
  /** Prepared statements by text; owned by this connection and finalized with it. */
  readonly #statements = new Map<string, Statement>();

  constructor(path: string, options: { readonly readonly: boolean; readonly mustExist?: boolean }) {
    this.database = new Database(
      path,
      options.readonly
        ? { readonly: true, strict: true }
        : { readwrite: true, create: options.mustExist !== true, strict: true },
    );
    // Before anything that could meet another process's lock.
    this.database.run(`pragma busy_timeout = ${LIMITS.sqliteBusyMs}`);
    this.database.run("pragma foreign_keys = on");
    // Without it INSERT OR REPLACE deletes a row without firing its delete trigger, and so slips past a guard.
    this.database.run("pragma recursive_triggers = on");
    // Sorting and undoing must not need a directory for temporary files, which a container may not have.
    this.database.run("pragma temp_store = memory");
    // What an erasure removes must not lie about in the file's free pages.
    this.database.run("pragma secure_delete = on");
  }

  get inTransaction(): boolean {
    return this.database.inTransaction;
  }

  /** A tag whose queries run here, one by one, when awaited. */
  tag(): Sql {
    return sqliteTag((text, values) => this.all(text, values));
  }

  /** Without a result, and with SQLite's own error. */
  run(text: string): void {
    this.database.run(text);
  }

  all(text: string, values: readonly Value[]): unknown[] {
    try {
      return this.#prepare(text).all(...(values as (string | number | Uint8Array | null)[]));
    } catch (error) {
      throw mapSqliteError(error);
    }
  }

  each(text: string, rows: readonly (readonly Value[])[]): void {
    for (const values of rows) this.all(text, values);
  }

  script(text: string): void {
    try {
      this.database.run(text);
    } catch (error) {
      throw mapSqliteError(error);
    }
  }

  finalizeStatements(): void {
    for (const statement of this.#statements.values()) statement.finalize();
    this.#statements.clear();
  }

  /** Ends a transaction whatever state it is in. Throws where it cannot. */
  abandon(): void {
    if (!this.database.inTransaction) return;
    // A statement that is still stepping would refuse the rollback.
    this.finalizeStatements();
    this.database.run("rollback");
  }

  close(): void {
    // An unfinalized statement keeps the file and its WAL open.
    this.finalizeStatements();
    this.database.close();
  }

  #assertInside(): void {
    if (!this.database.inTransaction) throw new Error("the transaction has ended");
  }

  #prepare(text: string): Statement {
    const known = this.#statements.get(text);
    if (known) return known;
    if (this.#statements.size >= LIMITS.sqliteStatementCache) {
      for (const [oldest, statement] of this.#statements) {
        statement.finalize();
        this.#statements.delete(oldest);
        break;
      }
    }
    const statement = this.database.prepare(text);
    this.#statements.set(text, statement);
    return statement;
  }
}
