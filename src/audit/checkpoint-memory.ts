// The newest checkpoint this process has seen, in memory and in a file outside of the database: what a restored backup or
// a second history cannot agree with. The file is replaced whole, at most every LIMITS.rememberMs, and at the end.

import { existsSync, readFileSync } from "node:fs";
import { badRequest, messageOf } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Outside } from "../runtime/outside.ts";
import { type Checkpoint, CheckpointError, openCheckpoint } from "../tlog/checkpoint.ts";
import type { VerifierKey } from "../tlog/log-key.ts";
import { isConsistent } from "../tlog/merkle.ts";
import { proveConsistency, type TileReader } from "../tlog/tiles.ts";

export class CheckpointMemory {
  readonly #path: string;
  readonly #key: VerifierKey;
  readonly #outside: Outside;
  #newest: (Checkpoint & { readonly note: string }) | undefined;
  #writtenMs = Number.NEGATIVE_INFINITY;
  #isWritten = true;

  /** Throws bad_request where the file cannot be read, or holds another log's checkpoint. */
  constructor(path: string, key: VerifierKey, outside: Outside) {
    this.#path = path;
    this.#key = key;
    this.#outside = outside;
    if (!existsSync(path)) return;
    const { checkpoint, note } = readCheckpoint(path, key, OWN_DIRECTORY);
    this.#newest = { ...checkpoint, note };
  }

  get newest(): (Checkpoint & { readonly note: string }) | undefined {
    return this.#newest;
  }

  /** Throws CheckpointError unless the log at `head`, read through `read`, extends what is remembered. */
  async check(head: Checkpoint, read: TileReader): Promise<void> {
    const known = this.#newest;
    if (!known) return;
    if (head.size < known.size)
      throw new CheckpointError(
        `the log has ${head.size} entries, but had ${known.size}: the database was restored from an older state`,
      );
    // The proof's hashes must make both roots: stored leaves of the older tree alone would show nothing of the newer one.
    if (!isConsistent(known, head, await proveConsistency(read, known.size, head.size)))
      throw new CheckpointError(
        `the log's first ${known.size} entries are not those that were signed before: it was forked`,
      );
  }

  /** Takes a checkpoint that was checked. */
  remember(checkpoint: Checkpoint, note: string): void {
    if (this.#newest && checkpoint.size < this.#newest.size) return;
    this.#newest = { ...checkpoint, note };
    this.#isWritten = false;
  }

  flushWhenDue(): void {
    if (this.#outside.clock.monotonic() - this.#writtenMs >= LIMITS.rememberMs) this.flush();
  }

  /** Throws where the file cannot be written. */
  flush(): void {
    if (this.#isWritten || !this.#newest) return;
    this.#isWritten = true;
    this.#writtenMs = this.#outside.clock.monotonic();
    // Another process that shares this directory may have seen more.
    if (existsSync(this.#path) && readCheckpoint(this.#path, this.#key).checkpoint.size >= this.#newest.size) return;
    this.#outside.files.replace(this.#path, this.#newest.note, { isSynced: true });
  }
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
