// Work of many changes on one request, beside redirects.

import { LIMITS } from "../limits.ts";
import type { Pacing } from "../operations/bulk.ts";
import { sleep } from "../runtime/clock.ts";
import type { Service } from "./service.ts";

/** Leaves redirects room: while they come a batch is small, and followed by a rest. Small as well where it is not known whether they do. */
export class Pace implements Pacing {
  readonly #service: Service;
  /** How long the last batch took. */
  #tookMs = Number.POSITIVE_INFINITY;

  constructor(service: Service) {
    this.#service = service;
  }

  /** Rows of the next batch. */
  get size(): number {
    return this.#isBusy ? LIMITS.bulkBusyRows : LIMITS.bulkBatchRows[this.#service.core.store.engine];
  }

  /** Whether batches may overlap: only without redirect traffic, and while the store is fast enough that none waits long. */
  get isFree(): boolean {
    return !this.#isBusy && this.#tookMs < LIMITS.bulkBesideMs;
  }

  get #isBusy(): boolean {
    return (this.#service.redirects.rate.perSecond ?? LIMITS.bulkBusyRate) >= LIMITS.bulkBusyRate;
  }

  /** How long a batch took. */
  note(tookMs: number): void {
    this.#tookMs = tookMs;
  }

  /** After each batch, and how long that took. */
  async rest(tookMs: number): Promise<void> {
    const { core, redirects } = this.#service;
    if ((redirects.rate.perSecond ?? 0) < LIMITS.bulkBusyRate) return;
    await sleep(core.clock, Math.min(tookMs * LIMITS.bulkRestShare, LIMITS.bulkRestMostMs));
  }
}
