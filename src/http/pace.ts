// Work of many changes on one request, beside redirects.

import { LIMITS } from "../limits.ts";
import type { Pacing } from "../operations/bulk.ts";
import { sleep } from "../runtime/clock.ts";
import type { Service } from "./service.ts";

/** Leaves redirects room: while they come a batch is small, and followed by a rest. Small as well where it is not known whether they do. */
export class Pace implements Pacing {
  readonly #service: Service;

  constructor(service: Service) {
    this.#service = service;
  }

  /** Rows of the next batch. */
  get size(): number {
    const { core, redirects } = this.#service;
    const rate = redirects.rate.perSecond ?? LIMITS.bulkBusyRate;
    return rate < LIMITS.bulkBusyRate ? LIMITS.bulkBatchRows[core.store.engine] : LIMITS.bulkBusyRows;
  }

  /** After each batch, and how long that took. */
  async rest(tookMs: number): Promise<void> {
    const { core, redirects } = this.#service;
    if ((redirects.rate.perSecond ?? 0) < LIMITS.bulkBusyRate) return;
    await sleep(core.clock, Math.min(tookMs * LIMITS.bulkRestShare, LIMITS.bulkRestMostMs));
  }
}
