// Whether the embedded store's file is still where it was: a file that was removed or replaced goes on taking what is written
// to it, and all of that is gone when it is closed.

import { type BigIntStats, statSync } from "node:fs";
import { LIMITS } from "../limits.ts";
import type { Clock, Timer } from "../runtime/clock.ts";

export class StoreFile {
  readonly #path: string;
  readonly #opened: BigIntStats | undefined;
  #lost: string | undefined;
  readonly #clock: Clock;
  #timer: Timer | undefined;

  /** Once the file is open. */
  constructor(path: string, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
    this.#opened = this.#look();
  }

  /** What has become of it; undefined as long as it is there. For good: what is open can no longer be saved. */
  get lost(): string | undefined {
    return this.#lost;
  }

  /** Looks every LIMITS.sqliteFileMs from now on. */
  watch(): void {
    this.#timer ??= this.#clock.every(LIMITS.sqliteFileMs, () => this.check());
    this.#timer.unref();
  }

  close(): void {
    this.#clock.cancel(this.#timer);
  }

  /** Looks now; what `lost` says from then on. */
  check(): string | undefined {
    const found = this.#look();
    if (this.#lost !== undefined || (found && found.ino === this.#opened?.ino && found.dev === this.#opened.dev))
      return this.#lost;
    const what = found ? "was replaced by another file" : "was removed";
    this.#lost = `the embedded store ${this.#path} ${what} while it was in use: stop, and restore it from a backup`;
    return this.#lost;
  }

  #look(): BigIntStats | undefined {
    try {
      return statSync(this.#path, { bigint: true });
    } catch (error) {
      const { code } = error as { code?: string };
      // All else (no descriptor left, say) says nothing of the file.
      return code === "ENOENT" || code === "ENOTDIR" ? undefined : this.#opened;
    }
  }
}
