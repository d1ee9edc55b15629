// Follows the log: tells this process of each new entry, in order, soon after it is committed, whoever sequenced it.
// A notification only makes it look sooner; that nothing is missed rests on reading the log by index.

import { unavailable } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import { withDeadline } from "../runtime/deadline.ts";
import { type LogHead, type LogLook, listTail, lookAtLog, type TailRow } from "../store/queries/log.ts";
import type { Sql, Store } from "../store/store.ts";
import { type Checkpoint, openCheckpoint } from "../tlog/checkpoint.ts";
import { isSameHash } from "../tlog/merkle.ts";
import { CheckpointError, type VerifierKey } from "../tlog/note.ts";
import type { Follower, Place } from "./follower.ts";
import { LogWaiters } from "./log-waiters.ts";

const MAX_LOOKS = 32;

export interface FeedOptions {
  readonly clock: Clock;
  readonly store: Store;
  readonly key: VerifierKey;
  /** Told of each signed head that extends what was told before, once all of its entries were told. */
  readonly onHead: (checkpoint: Checkpoint, note: string, epoch: number) => void;
  /** Told of a failed look at the log, once until the next that succeeds. */
  readonly onFailure: (error: unknown) => void;
}

export class LogFeed {
  readonly #options: FeedOptions;
  readonly #followers: Follower[] = [];
  #onFirstLook: (() => void)[] = [];
  readonly #waiters: LogWaiters;
  /** Undefined until the log's size is known. */
  #place: Place | undefined;
  #timer: Timer | undefined;
  #looking: Promise<void> | undefined;
  /** By the clock's monotonic(), when the look that is under way asked its present question; undefined where none is. */
  #askedMs: number | undefined;
  /** The last looks, oldest first: when each began and the newest queue row it saw. */
  readonly #looks: { readonly startedMs: number; readonly newest: number }[] = [];
  #heardMs = Number.NEGATIVE_INFINITY;
  /** Queue rows up to here have long been taken: not to be walked over at each look. */
  #waitingHint = { atMs: 0, id: 0, nextId: 0 };
  /** The head that was opened last, and whether onHead() was told of it. */
  #head: (Checkpoint & { readonly note: string; isTold: boolean }) | undefined;
  #isPoked = false;
  #isFailing = false;
  #refusal: string | undefined;
  #isClosed = false;
  #isStarted = false;
  #listening: Promise<{ close: () => Promise<void> }> | undefined;

  constructor(options: FeedOptions) {
    this.#options = options;
    this.#waiters = new LogWaiters(options.clock);
  }

  /** From now on; what was in the log before is not told. */
  follow(follower: Follower): void {
    this.#followers.push(follower);
  }

  /** Called once, as soon as all that happens from then on will be told. */
  onFirstLook(listener: () => void): void {
    this.#onFirstLook.push(listener);
  }

  /** By the clock's monotonic(), a moment before which every committed event has been told; minus infinity before the first look. */
  get heardMs(): number {
    return this.#heardMs;
  }

  /** Whether the store does not answer now: the last look at the log failed, or the present one waits for long. */
  get isFailing(): boolean {
    return (
      this.#isFailing ||
      (this.#askedMs !== undefined && this.#options.clock.monotonic() - this.#askedMs > LIMITS.storeLateMs)
    );
  }

  /** The index of the next entry that will be told; undefined before the first look. */
  get next(): number | undefined {
    return this.#place?.next;
  }

  get place(): Place | undefined {
    return this.#place;
  }

  /** Why the stored log is not followed, where it is another than the one that was told. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  /** Goes on where another process of this host was, which had heard everything up to `heardMs`. Before start(). */
  resume(place: Place, heardMs: number): void {
    this.#place = place;
    this.#heardMs = heardMs;
  }

  /** Somebody has found that the log is not the one that was told: nothing is believed until the next look that agrees with it. */
  distrust(): void {
    this.#heardMs = Number.NEGATIVE_INFINITY;
    this.#looks.length = 0;
    // A store that went back may give the queue's ids again.
    this.#waitingHint = { atMs: 0, id: 0, nextId: 0 };
    for (const follower of this.#followers) follower.forget?.();
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
  take(entries: readonly TailRow[], epoch: number): void {
    const first = entries[0];
    const isNext = first !== undefined && first.idx === this.#place?.next && epoch === this.#place.epoch;
    if (this.#isStarted && isNext && this.#refusal === undefined) this.#tell(entries);
    else this.poke();
  }

  /** Looks at once: somebody knows that the log has grown. */
  poke(): void {
    if (!this.#isStarted || this.#isClosed) return;
    this.#isPoked = true;
    if (this.#looking) return;
    const { clock } = this.#options;
    clock.cancel(this.#timer);
    this.#looking = this.#look().finally(() => {
      this.#looking = undefined;
      if (this.#isClosed) return;
      this.#timer = clock.after(this.#isPoked ? 0 : LIMITS.feedPollMs, () => this.poke());
    });
  }

  /** Resolves when the log may have an entry at `index`, after `ms`, or when `signal` aborts; false where too many wait. */
  async wait(index: number, ms: number, signal: AbortSignal): Promise<boolean> {
    if (this.#waiters.isFull) return false;
    this.start();
    if (this.#place === undefined || this.#place.next <= index) await this.#waiters.wait(index, ms, signal);
    return true;
  }

  /** Releases all waiters: the process is about to stop. */
  releaseWaiters(): void {
    this.#waiters.release();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.releaseWaiters();
    this.#options.clock.cancel(this.#timer);
    await this.#looking;
    const listening = await this.#listening?.catch(() => undefined);
    await listening?.close();
  }

  async #look(): Promise<void> {
    try {
      while (this.#isPoked && !this.#isClosed) {
        this.#isPoked = false;
        await this.#lookOnce();
      }
      this.#isFailing = false;
      this.#refusal = undefined;
    } catch (error) {
      this.#isPoked = false;
      this.#fail(error);
    }
  }

  async #lookOnce(): Promise<void> {
    const { store, clock } = this.#options;
    const startedMs = clock.monotonic();
    const ask = async <T>(run: (sql: Sql) => PromiseLike<T>) => {
      this.#askedMs = clock.monotonic();
      try {
        const late = () => unavailable("the log did not answer in time");
        return await withDeadline(clock, store.read(run), { ms: LIMITS.feedLookMs, late });
      } finally {
        this.#askedMs = undefined;
      }
    };
    const place = this.#place;
    const [log] = await ask((sql) => lookAtLog(sql, { afterQueueId: this.#waitingHint.id, next: place?.next ?? 0 }));
    if (!log) throw unavailable("the log has no head");
    const size = this.#openSize(log);
    let next = this.#findPlace(log, size, place);
    if (this.#refusal !== undefined) {
      // It is the log that was told, again. What the store said meanwhile was of another.
      this.#refusal = undefined;
      this.distrust();
    }
    while (next < size && !this.#isClosed) {
      const from = next;
      const entries = await ask((sql) => listTail(sql, from, LIMITS.feedRows));
      if (entries.length === 0) throw unavailable("the log's entries cannot be read");
      this.#tell(entries.filter(({ idx }) => idx >= (this.#place?.next ?? from)));
      next = this.#place?.next ?? size;
    }
    this.#hear(startedMs, log);
    this.#tellHead();
    for (const listener of this.#onFirstLook.splice(0)) listener();
  }

  /**
   * Where to go on. A log that is another than the one that was told (`asked`: as the look was begun) is not followed until somebody
   * has accepted that it went back, which begins an epoch; then all that was told is forgotten. Throws CheckpointError.
   */
  #findPlace(log: LogLook, size: number, asked: Place | undefined): number {
    const epoch = log.epoch ?? 0;
    const place = this.#place;
    if (place !== undefined && epoch < place.epoch)
      throw new CheckpointError(`the log is in epoch ${epoch}, but was in ${place.epoch}: it went back`);
    if (place === undefined || place.epoch !== epoch) {
      this.#place = { epoch, next: size, toldHash: log.last_hash ?? undefined };
      if (place !== undefined) this.distrust();
      // The log may have grown after they found nothing, and before the first look.
      this.#waiters.wakeBelow(size);
      return size;
    }
    // What was told since the look was asked for it need not have seen.
    const had = asked === undefined ? size : asked.next;
    if (size < had) throw new CheckpointError(`the log has ${size} entries, but had ${had}: it went back`);
    const { toldHash, next } = place;
    const isSameEntry = asked?.next !== next || !toldHash || (log.told_hash && isSameHash(toldHash, log.told_hash));
    if (!isSameEntry)
      throw new CheckpointError(`entry ${place.next - 1} of the log is another than it was: it went back`);
    return place.next;
  }

  /** The size that is signed. A head that is not ours is not followed: it could say that anything was told already. */
  #openSize({ note, size }: LogHead): number {
    if (note === "") return 0;
    if (note === this.#head?.note && size === this.#head.size) return size;
    const checkpoint = openCheckpoint(note, this.#options.key);
    if (checkpoint.size !== size)
      throw new CheckpointError(`the log's head says ${size} entries, its signature ${checkpoint.size}`);
    this.#head = { ...checkpoint, note, isTold: false };
    return size;
  }

  #tellHead(): void {
    const head = this.#head;
    if (!head || head.isTold) return;
    head.isTold = true;
    this.#options.onHead(head, head.note, this.#place?.epoch ?? 0);
  }

  /**
   * What waits for the log has happened but is not told yet. So this process has heard all that was committed before a look
   * only once everything that waited then has come into the log.
   */
  #hear(startedMs: number, { oldest, newest }: { oldest: number | null; newest: number | null }): void {
    this.#looks.push({ startedMs, newest: newest ?? Number.NEGATIVE_INFINITY });
    if (this.#looks.length > MAX_LOOKS) this.#looks.shift();
    for (const look of this.#looks)
      if (oldest === null || look.newest < oldest) this.#heardMs = Math.max(this.#heardMs, look.startedMs);
    if (oldest !== null && startedMs - this.#waitingHint.atMs > LIMITS.sequencerLowWaterMs)
      this.#waitingHint = { atMs: startedMs, id: this.#waitingHint.nextId, nextId: oldest - 1 };
  }

  /** Entries from #next on, in order. */
  #tell(entries: readonly TailRow[]): void {
    const last = entries.at(-1);
    if (!last) return;
    const next = last.idx + 1;
    this.#place = { epoch: this.#place?.epoch ?? 0, next, toldHash: last.leaf_hash };
    for (const follower of this.#followers) follower.onEntries(entries);
    this.#waiters.wakeBelow(next);
  }

  /** A store that answers with another log than the one that was told is not silent: it is asked instead of the cache. */
  #fail(error: unknown): void {
    const refusal = error instanceof CheckpointError ? error.message : undefined;
    if (!this.#isFailing && (refusal === undefined || refusal !== this.#refusal)) this.#options.onFailure(error);
    if (refusal !== undefined && this.#refusal === undefined) this.distrust();
    this.#isFailing = refusal === undefined;
    this.#refusal = refusal ?? this.#refusal;
  }
}
