// A durable consumer of the log: each entry in order, at least once, whichever process runs it and whatever becomes of that one. Its
// cursor, a place in an epoch, stands in the store beside the log, so a store that goes back takes the cursor along. A lease says
// which process runs it; the fence of the lease keeps one that lost it without noticing from moving the cursor.

import { LIMITS } from "../limits.ts";
import { type Clock, sleep } from "../runtime/clock.ts";
import { type RandomBytes, randomName } from "../runtime/random.ts";
import {
  type Cursor,
  freeCursor,
  insertCursor,
  moveCursor,
  renewCursor,
  takeCursor,
} from "../store/queries/followers.ts";
import { listTail, readEpoch, readLogHead, type TailRow } from "../store/queries/log.ts";
import type { Store } from "../store/store.ts";
import type { LogFeed } from "./feed.ts";

export interface Consuming {
  /** Its cursor's name: lower case letters, digits, _ and -, at most 64. */
  readonly name: string;
  /**
   * Takes entries of one epoch; the cursor moves once it resolves. Called again with the same entries, or some of them, where that
   * could not be written down, and after a crash. The lease is renewed meanwhile; `signal` aborts where it was lost, and when the
   * process is about to stop.
   */
  readonly take: (entries: readonly TailRow[], epoch: number, signal: AbortSignal) => Promise<void>;
  /** Whether one that never ran begins with what comes next, and not with the log's first entry. */
  readonly startsAtEnd?: boolean;
  /** How long another process waits before it goes on with what this one left; LIMITS.consumerLeaseMs. */
  readonly leaseMs?: number;
}

export interface ConsumerOptions extends Consuming {
  readonly store: Store;
  readonly feed: LogFeed;
  readonly clock: Clock;
  readonly randomBytes: RandomBytes;
  readonly onFailure: (error: unknown) => void;
}

interface Held extends Cursor {
  readonly fence: number;
}

export class Consumer {
  readonly #options: ConsumerOptions;
  readonly #holder: string;
  #running: Promise<void> | undefined;
  readonly #leaseMs: number;
  readonly #closing = new AbortController();
  #held: Held | undefined;
  /** The next entry it will be given, as long as this process runs it, whatever fails; and the log's size when that was last read. */
  #next: number | undefined;
  #size = 0;

  constructor(options: ConsumerOptions) {
    this.#options = options;
    this.#leaseMs = options.leaseMs ?? LIMITS.consumerLeaseMs;
    this.#holder = randomName(options.randomBytes, 8);
  }

  get name(): string {
    return this.#options.name;
  }

  /** Entries that it was not given yet, as far as this process knows; undefined where another one runs it. */
  get lag(): number | undefined {
    if (this.#next === undefined) return undefined;
    return Math.max(0, Math.max(this.#size, this.#options.feed.next ?? 0) - this.#next);
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Takes nothing more; close() waits for what is under way. */
  drain(): void {
    this.#closing.abort();
  }

  async close(): Promise<void> {
    this.drain();
    await this.#running;
    const { store, name } = this.#options;
    await store.begin((tx) => freeCursor(tx, name, this.#holder)).catch(() => undefined);
  }

  async #run(): Promise<void> {
    const { feed, clock, onFailure } = this.#options;
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        if (this.#held === undefined) {
          this.#held = await this.#takeLease();
          this.#next = this.#held?.next_index;
        }
        const isMore = this.#held !== undefined && (await this.#step(this.#held));
        if (isMore) continue;
      } catch (error) {
        this.#held = undefined;
        onFailure(error);
        await sleep(clock, LIMITS.consumerRetryMs, signal);
        continue;
      }
      // The feed may not make it wait: the log went back, too many wait, or the process is about to stop.
      await sleep(clock, LIMITS.consumerPauseMs, signal);
      // Soon enough to renew the lease, or to find one that has run out.
      const next = this.#held?.next_index ?? Number.MAX_SAFE_INTEGER;
      await feed.wait(next, this.#leaseMs / 3, signal);
    }
  }

  /** Undefined where another process holds it. */
  async #takeLease(): Promise<Held | undefined> {
    const { name, store, startsAtEnd = false } = this.#options;
    const lease = { name, holder: this.#holder, ...this.#times() };
    return store.begin(async (tx) => {
      await insertCursor(tx, name, startsAtEnd);
      return (await takeCursor(tx, lease))[0];
    });
  }

  /** Gives what comes next, and writes down that it was given; whether there may be more. Also renews the lease. */
  async #step(held: Held): Promise<boolean> {
    const { store, name } = this.#options;
    const { entries, epoch, size } = await store.read(async (sql) => ({
      entries: await listTail(sql, held.next_index, LIMITS.consumerRows),
      epoch: (await readEpoch(sql))[0]?.epoch ?? 0,
      size: (await readLogHead(sql))[0]?.size ?? 0,
    }));
    if (entries.length > 0) await this.#give(held, entries, epoch);
    const to = { epoch, next_index: held.next_index + entries.length };
    const { lease_until_ms } = this.#times();
    const last_hash = entries.at(-1)?.leaf_hash;
    const move = { name, fence: held.fence, from: held, to, last_hash, lease_until_ms };
    const [moved] = await store.begin((tx) => moveCursor(tx, move));
    this.#held = moved && { ...to, fence: held.fence };
    this.#next = this.#held?.next_index;
    this.#size = size;
    return moved !== undefined && entries.length === LIMITS.consumerRows;
  }

  /** Keeps the lease for as long as they are taken. */
  async #give({ fence }: Held, entries: readonly TailRow[], epoch: number): Promise<void> {
    const { store, take, name, clock, onFailure } = this.#options;
    const lost = new AbortController();
    const renew = async () => {
      const { lease_until_ms } = this.#times();
      const [renewed] = await store.begin((tx) => renewCursor(tx, { name, fence, lease_until_ms }));
      if (!renewed) lost.abort();
    };
    const timer = clock.every(this.#leaseMs / 3, () => void renew().catch(onFailure));
    try {
      await take(entries, epoch, AbortSignal.any([this.#closing.signal, lost.signal]));
    } finally {
      clock.cancel(timer);
    }
  }

  #times() {
    const now_ms = this.#options.clock.now();
    return { now_ms, lease_until_ms: now_ms + this.#leaseMs };
  }
}
