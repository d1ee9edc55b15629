// The newest checkpoint this process has seen, in memory and in a file outside of the database: what a restored backup or
// a second history cannot agree with. The file is replaced whole, at most every LIMITS.rememberMs, and at the end. Beside it lie
// the signed statements that the log went back, each of which was held against what was remembered then: they count its epochs.

import { existsSync, readFileSync } from "node:fs";
import { badRequest, messageOf } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Outside } from "../runtime/outside.ts";
import { sha256 } from "../runtime/sha256.ts";
import { type Checkpoint, openCheckpoint } from "../tlog/checkpoint.ts";
import { isConsistent } from "../tlog/merkle.ts";
import { CheckpointError, type VerifierKey } from "../tlog/note.ts";
import { covers, openRollback, type Rollback } from "../tlog/rollback.ts";
import { proveConsistency, type TileReader } from "../tlog/tiles.ts";

/** A signed statement that the log went back, as it was published. */
export interface Statement {
  readonly note: string;
  readonly rollback: Rollback;
}

export class CheckpointMemory {
  readonly #path: string;
  readonly #key: VerifierKey;
  readonly #outside: Outside;
  #newest: (Checkpoint & { readonly note: string }) | undefined;
  /** The statement of the epoch that is remembered; undefined in the first one. */
  #statement: Statement | undefined;
  /** Accepted by check(); remembered with the next checkpoint. */
  #accepted: Statement | undefined;
  #writtenMs = Number.NEGATIVE_INFINITY;
  #isWritten = true;

  /** Throws bad_request where the file cannot be read, or holds another log's checkpoint. */
  constructor(path: string, key: VerifierKey, outside: Outside) {
    this.#path = path;
    this.#key = key;
    this.#outside = outside;
    this.#statement = readStatements(rollbacksPath(path), key).at(-1);
    if (!existsSync(path)) return;
    const { checkpoint, note } = readCheckpoint(path, key, OWN_DIRECTORY);
    this.#newest = { ...checkpoint, note };
  }

  get newest(): (Checkpoint & { readonly note: string }) | undefined {
    return this.#newest;
  }

  /** How often the log went back, as far as this host knows. */
  get epoch(): number {
    return this.#statement?.rollback.epoch ?? 0;
  }

  /**
   * Throws CheckpointError unless the log at `head`, read through `read`, extends what is remembered, or what one of `statements`
   * (of a later epoch than this host knows of) has put in its place.
   */
  async check(head: Checkpoint, read: TileReader, statements: readonly Statement[] = []): Promise<void> {
    const known = this.#newest;
    const refusal = known && (await objectionTo(known, head, read));
    this.#accepted = undefined;
    const later = statements.filter(({ rollback }) => rollback.epoch > this.epoch);
    for (const statement of later.toReversed()) {
      const isOurs = refusal === undefined || (known !== undefined && covers(statement.rollback, known));
      if (!isOurs || (await objectionTo(statement.rollback.new, head, read)) !== undefined) continue;
      this.#accepted = statement;
      return;
    }
    if (refusal !== undefined) throw new CheckpointError(refusal);
  }

  /** Takes a checkpoint that was checked. */
  remember(checkpoint: Checkpoint, note: string): void {
    if (!this.#accepted && this.#newest && checkpoint.size < this.#newest.size) return;
    this.#statement = this.#accepted ?? this.#statement;
    this.#accepted = undefined;
    this.#newest = { ...checkpoint, note };
    this.#isWritten = false;
  }

  /**
   * Takes a head that was published in the epoch that is remembered. Only from who has followed the log without a gap since check()
   * last passed: what it was told then is what is remembered.
   */
  hearOf(checkpoint: Checkpoint, note: string, epoch: number): void {
    if (epoch === this.epoch && !this.#accepted && checkpoint.size > (this.#newest?.size ?? 0))
      this.remember(checkpoint, note);
  }

  flushWhenDue(): void {
    if (this.#outside.clock.monotonic() - this.#writtenMs >= LIMITS.rememberMs) this.flush();
  }

  /** Throws where the file cannot be written. */
  flush(): void {
    if (this.#isWritten || !this.#newest) return;
    this.#writtenMs = this.#outside.clock.monotonic();
    // Another process that shares this directory may have seen more.
    if (!this.#isBehindFile(this.#newest)) {
      this.#outside.files.replace(this.#path, this.#newest.note, { isSynced: true });
      // After the checkpoint: one of a later epoch than the statements say is accepted again, one of an earlier would be refused.
      this.#writeStatement();
    }
    // Only now: what could not be written is still to be.
    this.#isWritten = true;
  }

  #isBehindFile(newest: Checkpoint): boolean {
    if (!existsSync(this.#path)) return false;
    const epoch = readStatements(rollbacksPath(this.#path), this.#key).at(-1)?.rollback.epoch ?? 0;
    if (epoch !== this.epoch) return epoch > this.epoch;
    return readCheckpoint(this.#path, this.#key).checkpoint.size >= newest.size;
  }

  #writeStatement(): void {
    const path = rollbacksPath(this.#path);
    const written = readStatements(path, this.#key);
    if (!this.#statement || (written.at(-1)?.rollback.epoch ?? 0) >= this.#statement.rollback.epoch) return;
    const notes = [...written, this.#statement].map(({ note }) => note);
    this.#outside.files.replace(path, notes.join(BETWEEN_NOTES), { isSynced: true });
  }
}

/** Why a log cannot have come from a checkpoint; undefined where it extends it. */
async function objectionTo(known: Checkpoint, head: Checkpoint, read: TileReader): Promise<string | undefined> {
  if (head.size < known.size)
    return `the log has ${head.size} entries, but had ${known.size}: the database was restored from an older state`;
  // The proof's hashes must make both roots: stored leaves of the older tree alone would show nothing of the newer one.
  return isConsistent(sha256, known, head, await proveConsistency(sha256, read, known.size, head.size))
    ? undefined
    : `the log's first ${known.size} entries are not those that were signed before: it was forked`;
}

const OWN_DIRECTORY =
  "each store needs a data directory of its own: name another with --data-dir or DEADLETTER_DATA_DIR";

/** Throws bad_request where the file cannot be read or does not hold a checkpoint of this log. */
export function readCheckpoint(
  path: string,
  key: VerifierKey,
  hint?: string,
): { checkpoint: Checkpoint; note: string } {
  try {
    const note = readFileSync(path, "utf8");
    return { checkpoint: openCheckpoint(note, key), note };
  } catch (error) {
    throw badRequest(`cannot use the checkpoint in ${path}: ${messageOf(error)}`, hint);
  }
}

/** Where a host keeps the statements beside its checkpoint. */
export function rollbacksPath(checkpointPath: string): string {
  return `${checkpointPath}-rollbacks`;
}

/** No note has two empty lines. */
const BETWEEN_NOTES = "\n\n";

/** Statements of a file, by epoch; none where there is no file. Throws bad_request where one is not this log's. */
export function readStatements(path: string, key: VerifierKey): readonly Statement[] {
  if (!existsSync(path)) return [];
  try {
    const notes = readFileSync(path, "utf8").split(/\n\n\n/);
    return openStatements(
      notes.map((note) => `${note.trimEnd()}\n`),
      key,
    );
  } catch (error) {
    throw badRequest(`cannot use the rollback in ${path}: ${messageOf(error)}`);
  }
}

/** By epoch. Throws CheckpointError for one that is not this log's. */
export function openStatements(notes: readonly string[], key: VerifierKey): readonly Statement[] {
  return notes
    .map((note) => ({ note, rollback: openRollback(note, key) }))
    .sort((one, other) => one.rollback.epoch - other.rollback.epoch);
}
