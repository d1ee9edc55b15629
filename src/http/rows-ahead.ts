// Reads rows of a bulk body ahead while a batch is written: a few per turn of the event loop, so that neither the writer nor other
// requests wait for long.

import { LIMITS } from "../limits.ts";
import { type Clock, turn } from "../runtime/clock.ts";
import type { Read } from "./bulk-rows.ts";
import type { Row } from "./rows.ts";

export class RowsAhead {
  readonly #chunks: AsyncGenerator<Row[]>;
  readonly #read: (rows: readonly Row[]) => readonly Read[];
  readonly #clock: Clock;
  readonly #stop: AbortController;
  /** Not taken yet, in their order; about LIMITS.bulkRowsAhead at the most. */
  readonly #rows: Read[] = [];
  /** What ended it: the body's end, or something thrown. */
  #end: { readonly error?: unknown } | undefined;
  #isClosed = false;
  /** Wake take() when rows arrive, and the reader when there is room again. */
  #onRows: (() => void) | undefined;
  #onRoom: (() => void) | undefined;

  /** `read` may throw, which ends it. `stop` is what lets go of the body of the chunks (rows.ts). */
  constructor(
    chunks: AsyncGenerator<Row[]>,
    read: (rows: readonly Row[]) => readonly Read[],
    { clock, stop }: { readonly clock: Clock; readonly stop: AbortController },
  ) {
    this.#chunks = chunks;
    this.#read = read;
    this.#clock = clock;
    this.#stop = stop;
    void this.#fill().finally(() => this.#onRows?.());
  }

  /** Those that are there, at most so many; waits for the first. None at the end; throws what ended it once all before it are taken. */
  async take(most: number): Promise<readonly Read[]> {
    while (this.#rows.length === 0 && !this.#end)
      await new Promise<void>((resolve) => {
        this.#onRows = resolve;
      });
    if (this.#rows.length === 0 && this.#end && "error" in this.#end) throw this.#end.error;
    return this.takeNow(most);
  }

  /** The same without waiting. */
  takeNow(most: number): readonly Read[] {
    const rows = this.#rows.splice(0, most);
    this.#onRoom?.();
    return rows;
  }

  /** Reads nothing more, and lets go of the body. */
  close(): void {
    this.#isClosed = true;
    this.#onRoom?.();
    this.#stop.abort();
  }

  async #fill(): Promise<void> {
    try {
      for await (const rows of this.#chunks) {
        this.#rows.push(...this.#read(rows));
        this.#onRows?.();
        await turn(this.#clock);
        while (this.#rows.length >= LIMITS.bulkRowsAhead && !this.#isClosed)
          await new Promise<void>((resolve) => {
            this.#onRoom = resolve;
          });
        if (this.#isClosed) break;
      }
      this.#end = {};
    } catch (error) {
      this.#end = { error };
    }
  }
}
