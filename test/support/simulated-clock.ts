// A clock whose time passes only when somebody says so, and a source of chance with a seed: what happens next is decided by them alone.

import type { Clock, Timer } from "../../src/runtime/clock.ts";

interface Pending {
  readonly atMs: number;
  readonly order: number;
  readonly owner: SimulatedClock;
  readonly run: () => void;
  readonly everyMs?: number;
}

/** The one time of all processes of a simulation, and all that waits for it. */
export class SimulatedTime {
  nowMs = 1_800_000_000_000;
  #pending: Pending[] = [];
  #order = 0;

  add(timer: Omit<Pending, "order">): Pending {
    const pending = { ...timer, order: this.#order++ };
    this.#pending.push(pending);
    return pending;
  }

  remove(timer: Timer | undefined): void {
    this.#pending = this.#pending.filter((each) => each !== (timer as unknown as Pending));
  }

  /** A process that was killed waits for nothing any more. */
  removeAllOf(owner: SimulatedClock): void {
    this.#pending = this.#pending.filter((each) => each.owner !== owner);
  }

  /** Lets the next thing happen, at its time, and all that follows from it without waiting; false where nothing waits. */
  async step(): Promise<boolean> {
    await settle();
    let next: Pending | undefined;
    for (const each of this.#pending)
      if (!next || each.atMs < next.atMs || (each.atMs === next.atMs && each.order < next.order)) next = each;
    if (!next) return false;
    this.#pending.splice(this.#pending.indexOf(next), 1);
    this.nowMs = Math.max(this.nowMs, next.atMs);
    // Under the same name, so that whoever began it can still cancel it.
    if (next.everyMs !== undefined)
      this.#pending.push(Object.assign(next, { atMs: this.nowMs + next.everyMs, order: this.#order++ }));
    next.run();
    await settle();
    return true;
  }

  /** Lets things happen until the work is done. */
  async drive<T>(work: Promise<T>): Promise<T> {
    let outcome: { readonly value: T } | { readonly error: unknown } | undefined;
    work.then(
      (value) => {
        outcome = { value };
      },
      (error: unknown) => {
        outcome = { error };
      },
    );
    await settle();
    while (!outcome) if (!(await this.step())) throw new Error("the work waits for something that will never happen");
    if ("error" in outcome) throw outcome.error;
    return outcome.value;
  }
}

/** All promises that can be kept are kept before the event loop turns. */
function settle(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

export class SimulatedClock implements Clock {
  readonly #time: SimulatedTime;

  constructor(time: SimulatedTime) {
    this.#time = time;
  }

  now = (): number => Math.floor(this.#time.nowMs);

  monotonic = (): number => this.#time.nowMs;

  after(ms: number, run: () => void): Timer {
    return this.#wait(ms, run);
  }

  every(ms: number, run: () => void): Timer {
    return this.#wait(ms, run, ms);
  }

  cancel(timer: Timer | undefined): void {
    this.#time.remove(timer);
  }

  soon(run: () => void): void {
    this.#wait(0, run);
  }

  kill(): void {
    this.#time.removeAllOf(this);
  }

  #wait(ms: number, run: () => void, everyMs?: number): Timer {
    const atMs = this.#time.nowMs + Math.max(0, ms);
    const pending = this.#time.add({ atMs, owner: this, run, ...(everyMs === undefined ? {} : { everyMs }) });
    return Object.assign(pending, { unref: () => undefined }) as unknown as Timer;
  }
}

export type Random = () => number;

/** A small generator with a seed (mulberry32): numbers from 0 up to, and without, 1. */
export function seeded(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export function bytesFrom(random: Random): (size: number) => Uint8Array {
  return (size) => Uint8Array.from({ length: size }, () => Math.floor(random() * 256));
}
