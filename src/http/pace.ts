// Work of many changes on one request, beside redirects.

import { LIMITS } from "../limits.ts";
import { batchRows, type Pacing } from "../operations/bulk.ts";
import { sleep } from "../runtime/clock.ts";
import type { Service } from "./service.ts";

/** Leaves redirects room: while they come a batch is small, and followed by a rest. */
export class Pace implements Pacing {
  readonly #service: Service;
  #found: number;
  #lookedMs: number;
  #isBusy = false;

  constructor(service: Service) {
    this.#service = service;
    this.#found = service.redirects.counts.answers.found.count;
    this.#lookedMs = service.core.clock.monotonic();
  }

  /** Rows of the next batch. */
  get size(): number {
    return this.#isBusy ? LIMITS.bulkBusyRows : batchRows(this.#service.core);
  }

  /** After each batch, and how long that took. */
  async rest(tookMs: number): Promise<void> {
    const { core, redirects } = this.#service;
    const nowMs = core.clock.monotonic();
    const found = redirects.counts.answers.found.count;
    this.#isBusy = ((found - this.#found) / Math.max(1, nowMs - this.#lookedMs)) * 1000 > LIMITS.bulkBusyRate;
    this.#found = found;
    this.#lookedMs = nowMs;
    if (this.#isBusy) await sleep(core.clock, Math.min(tookMs * LIMITS.bulkRestShare, LIMITS.bulkRestMostMs));
  }
}
