// Follows the log: tells this process of each new entry, in order, soon after it is committed, whoever sequenced it.
// A notification only makes it look sooner; that nothing is missed rests on reading the log by index.

import { LIMITS } from "../limits.ts";
import { listTail, readLogHead, type TailRow } from "../store/queries/log.ts";
import type { Store } from "../store/store.ts";

export type EntryListener = (entries: readonly TailRow[]) => void;

export interface FeedOptions {
  readonly store: Store;
  /** Told of a failed look at the log, once until the next that succeeds. */
  readonly onFailure: (error: unknown) => void;
}

export class LogFeed {
  readonly #options: FeedOptions;
  readonly #listeners: EntryListener[] = [];
  /** Long polls, each woken when the log has grown past the index it waits for. */
  readonly #waiters = new Set<{ readonly index: number; readonly wake: () => void }>();
  /** The index of the next entry; undefined until the log's size is known. */
  #next: number | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #looking: Promise<void> | undefined;
  #isPoked = false;
  #isFailing = false;
  #isClosed = false;
  #isReleased = false;
  #isStarted = false;
  #listening: Promise<{ close: () => Promise<void> }> | undefined;

  constructor(options: FeedOptions) {
    this.#options = options;
  }

  /** From now on; what was in the log before is not told. */
  onEntries(listener: EntryListener): void {
    this.#listeners.push(listener);
  }

  /** Begins to follow. The first look settles where; an unreachable store is looked for again. */
  start(): void {
    if (this.#isStarted || this.#isClosed) return;
    this.#isStarted = true;
    this.#listening = this.#options.store.listen(() => this.poke());
    this.#listening.catch((error: unknown) => this.#fail(error));
    this.poke();
  }

  /** Takes committed entries from a sequencer of this process, which saves reading them where they are the next ones. */
  take(entries: readonly TailRow[]): void {
    const first = entries[0];
    if (this.#isStarted && first !== undefined && first.idx === this.#next) this.#tell(entries);
    else this.poke();
  }

  /** Looks at once: somebody knows that the log has grown. */
  poke(): void {
    if (!this.#isStarted || this.#isClosed) return;
    this.#isPoked = true;
    if (this.#looking) return;
    clearTimeout(this.#timer);
    this.#looking = this.#look().finally(() => {
      this.#looking = undefined;
      if (this.#isClosed) return;
      this.#timer = setTimeout(() => this.poke(), this.#isPoked ? 0 : LIMITS.feedPollMs);
    });
  }

  /** Resolves when the log may have an entry at `index`, after `ms`, or when `signal` aborts; false where too many wait. */
  async wait(index: number, ms: number, signal: AbortSignal): Promise<boolean> {
    if (this.#waiters.size >= LIMITS.feedWaiters) return false;
    this.start();
    if (this.#next !== undefined && this.#next > index) return true;
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        this.#waiters.delete(waiter);
        resolve();
      };
      const waiter = { index, wake: done };
      const timer = setTimeout(done, ms);
      signal.addEventListener("abort", done);
      this.#waiters.add(waiter);
      if (signal.aborted || this.#isReleased) done();
    });
    return true;
  }

  /** Lets nobody wait any more: the process is about to stop. */
  releaseWaiters(): void {
    this.#isReleased = true;
    for (const { wake } of [...this.#waiters]) wake();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.releaseWaiters();
    clearTimeout(this.#timer);
    await this.#looking;
    const listening = await this.#listening?.catch(() => undefined);
    await listening?.close();
  }

  async #look(): Promise<void> {
    const { store } = this.#options;
    try {
      while (this.#isPoked && !this.#isClosed) {
        this.#isPoked = false;
        if (this.#next === undefined) {
          const [head] = await store.read(readLogHead);
          this.#next = head?.size ?? 0;
        }
        const from = this.#next;
        const entries = await store.read((sql) => listTail(sql, from, LIMITS.feedRows));
        this.#tell(entries.filter(({ idx }) => idx >= (this.#next ?? from)));
        // A full page says that there is more.
        if (entries.length === LIMITS.feedRows) this.#isPoked = true;
      }
      this.#isFailing = false;
    } catch (error) {
      this.#isPoked = false;
      this.#fail(error);
    }
  }

  /** Entries from #next on, in order. */
  #tell(entries: readonly TailRow[]): void {
    const last = entries.at(-1);
    if (!last) return;
    const next = last.idx + 1;
    this.#next = next;
    for (const listener of this.#listeners) listener(entries);
    for (const { index, wake } of [...this.#waiters]) if (index < next) wake();
  }

  #fail(error: unknown): void {
    if (!this.#isFailing) this.#options.onFailure(error);
    this.#isFailing = true;
  }
}
