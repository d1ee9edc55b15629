// Which processes serve, and up to where each of them has heard the log: so that who makes a change can say who has heard of it. Each
// has a row in the store that it renews each second; one that stops taking part in the log's life lapses.
//
// Whether another process lives is judged by its row alone, never by its clock: a row that does not change while this process reaches
// the store without a gap is of one that does not. After an outage each is given its time again, since it may not have noticed yet that
// the store is back, and redirects from memory until it does.

import { LIMITS } from "../limits.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import { type RandomBytes, randomName } from "../runtime/random.ts";
import { deleteReplica, listReplicas, putReplica, type ReplicaRow } from "../store/queries/followers.ts";
import type { Store } from "../store/store.ts";
import type { LogFeed } from "./feed.ts";
import type { Follower, Place } from "./follower.ts";

export interface PresenceOptions {
  readonly store: Store;
  readonly feed: LogFeed;
  readonly clock: Clock;
  readonly randomBytes: RandomBytes;
  /** Names this machine; processes of it that are dead are known by their ids. */
  readonly host: string;
  readonly pid: number;
  readonly isAlive: (pid: number) => boolean;
  /** How long redirects come from memory at the most while the store does not answer. */
  readonly outageMs: number;
  readonly onFailure: (error: unknown) => void;
}

/** `behind`: lives, and has not heard. `lapsed`: may be dead, or cut off from the store and redirecting from memory. */
export type Missing = "behind" | "lapsed";

export interface Heard {
  /** How many processes have heard. */
  readonly replicas: number;
  readonly missing: readonly { readonly replica: string; readonly state: Missing }[];
}

export class Presence implements Follower {
  readonly #options: PresenceOptions;
  readonly #name: string;
  #renewals = 0;
  #timer: Timer | undefined;
  #soon: Timer | undefined;
  #renewing: Promise<void> | undefined;
  #isClosed = false;
  /** By the clock's monotonic(), when the last renewal that succeeded began and when it ended; since when there was no gap. */
  #renewedMs = Number.NEGATIVE_INFINITY;
  #reachedMs = Number.NEGATIVE_INFINITY;
  #reachedSinceMs = 0;
  /** By the same, when its row came to be there again after it had not been, or had lapsed. */
  #joinedMs = Number.POSITIVE_INFINITY;
  /** Of each row, its renewals and when they last changed. */
  readonly #seen = new Map<string, { readonly renewals: number; readonly atMs: number }>();

  constructor(options: PresenceOptions) {
    this.#options = options;
    this.#name = randomName(options.randomBytes, 8);
  }

  /** By the clock's monotonic(): until then others wait for this process, and what it has heard may be believed. */
  get leaseUntilMs(): number {
    // Nobody waits for a process without a row: a change may have been reported as heard by all before this one heard of it.
    if (this.#options.feed.heardMs < this.#joinedMs) return Number.NEGATIVE_INFINITY;
    return this.#renewedMs + LIMITS.replicaLeaseMs;
  }

  start(): void {
    const { clock } = this.#options;
    this.#reachedSinceMs = clock.monotonic();
    void this.#renew();
    this.#timer ??= clock.every(LIMITS.replicaRenewMs, () => void this.#renew());
    this.#timer.unref();
  }

  async close(): Promise<void> {
    const { clock, store } = this.#options;
    this.#isClosed = true;
    clock.cancel(this.#timer);
    clock.cancel(this.#soon);
    await this.#renewing;
    if (this.#timer === undefined) return;
    // Nobody need wait for it any more.
    const own = { name: this.#name, renewals: this.#renewals };
    await store.begin((tx) => deleteReplica(tx, own)).catch(() => undefined);
  }

  onEntries(): void {
    const { clock } = this.#options;
    if (this.#timer === undefined || this.#isClosed) return;
    this.#soon ??= clock.after(LIMITS.replicaHeardMs, () => {
      this.#soon = undefined;
      void this.#renew();
    });
  }

  /** Who has heard all entries before `place`. */
  async look(place: Place): Promise<Heard> {
    const rows = await this.#options.store.read((sql) => listReplicas(sql, LIMITS.replicas));
    this.#see(rows);
    const isBehind = (row: ReplicaRow) =>
      row.epoch < place.epoch || (row.epoch === place.epoch && row.next_index < place.next);
    const behind = rows.filter(isBehind);
    return {
      replicas: rows.length - behind.length,
      missing: behind.map((row) => ({ replica: row.name, state: this.#isLiving(row) ? "behind" : "lapsed" })),
    };
  }

  #renew(): Promise<void> {
    this.#renewing ??= this.#renewOnce().finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  async #renewOnce(): Promise<void> {
    const { store, feed, clock, host, pid, outageMs, onFailure } = this.#options;
    const { place } = feed;
    if (place === undefined || feed.refusal !== undefined || this.#isClosed) return;
    const startedMs = clock.monotonic();
    const row: ReplicaRow = {
      name: this.#name,
      host,
      pid,
      epoch: place.epoch,
      next_index: place.next,
      renewals: ++this.#renewals,
      outage_ms: outageMs,
      seen_at_ms: clock.now(),
    };
    try {
      await store.begin((tx) => putReplica(tx, row), { isRelaxed: true });
      if (startedMs > this.#renewedMs + LIMITS.replicaLeaseMs) this.#joinedMs = clock.monotonic();
      const rows = await store.read((sql) => listReplicas(sql, LIMITS.replicas));
      const nowMs = clock.monotonic();
      // Whoever could not be heard of meanwhile has its time again.
      if (nowMs - this.#reachedMs > LIMITS.replicaLeaseMs) this.#reachedSinceMs = nowMs;
      this.#reachedMs = nowMs;
      this.#renewedMs = startedMs;
      this.#see(rows);
      for (const gone of rows.filter((other) => this.#isGone(other)))
        await store.begin((tx) => deleteReplica(tx, gone), { isRelaxed: true });
    } catch (error) {
      onFailure(error);
    }
  }

  #see(rows: readonly ReplicaRow[]): void {
    const atMs = this.#options.clock.monotonic();
    for (const { name, renewals } of rows)
      if (this.#seen.get(name)?.renewals !== renewals) this.#seen.set(name, { renewals, atMs });
    const names = new Set(rows.map(({ name }) => name));
    for (const name of this.#seen.keys()) if (!names.has(name)) this.#seen.delete(name);
  }

  #isLiving({ name, seen_at_ms }: ReplicaRow): boolean {
    const { clock } = this.#options;
    // A command has not watched: it goes by the clocks, which are about the same.
    if (this.#timer === undefined) return clock.now() - seen_at_ms <= LIMITS.replicaLapseMs;
    // The store was silent until just now: it says nothing of who lives.
    if (clock.monotonic() - this.#reachedMs > LIMITS.replicaLeaseMs) return true;
    return this.#silentMs(name) <= LIMITS.replicaLapseMs;
  }

  /** For how long the row has not changed while this process reached the store. */
  #silentMs(name: string): number {
    const sinceMs = Math.max(this.#seen.get(name)?.atMs ?? 0, this.#reachedSinceMs);
    return this.#options.clock.monotonic() - sinceMs;
  }

  /** Dead, or silent for longer than it may redirect from memory. */
  #isGone(row: ReplicaRow): boolean {
    const { host, pid, isAlive } = this.#options;
    if (row.name === this.#name || this.#isLiving(row)) return false;
    if (row.host === host && row.pid !== pid && !isAlive(row.pid)) return true;
    return this.#silentMs(row.name) > row.outage_ms + LIMITS.replicaLapseMs;
  }
}
