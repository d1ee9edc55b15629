// One batch of a bulk request: rows that are carried out together, in a transaction of their own where they can be.

import { badRequest, DeadletterError, unavailable, unexpected } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Ask, Result } from "../operations/ask.ts";
import { beginBatch, isUnavailable, mayOverlap, type Batch as Transaction } from "../operations/bulk.ts";
import { admit, type Bulk, type Read } from "./bulk-rows.ts";
import { logUnexpected } from "./error.ts";
import { exchangeOf } from "./exchange.ts";
import type { Pace } from "./pace.ts";

type Answer = readonly [Read, Result];

interface Done {
  readonly results: readonly Answer[];
  readonly tookMs: number;
  /** Later rows would fail too, and the client can send them again. */
  readonly isOutage: boolean;
}

interface BatchParts {
  readonly patience: Patience;
  readonly pace: Pace;
}

/** Rows that are under way, after those before them. */
export class Batch {
  readonly done: Promise<Done>;
  readonly #bulk: Bulk;
  readonly #parts: BatchParts;
  readonly #decided = Promise.withResolvers<void>();
  /** Where all of its rows go together. */
  #transaction: Transaction | undefined;

  constructor(bulk: Bulk, rows: readonly Read[], parts: BatchParts, after: Batch | undefined) {
    this.#bulk = bulk;
    this.#parts = parts;
    this.done = this.#run(rows, after).finally(() => this.#decided.resolve());
    // Looked at once the answers before it are sent, whatever comes of it.
    this.done.catch(() => {});
  }

  /** Resolves once the next one may begin. */
  get decided(): Promise<void> {
    return this.#decided.promise;
  }

  async #run(rows: readonly Read[], after: Batch | undefined): Promise<Done> {
    const { patience, pace } = this.#parts;
    const { clock } = this.#bulk.service.core;
    const before = after === undefined ? undefined : after.#transaction;
    const beside = before && this.#mayBeBeside(before, rows) ? before : undefined;
    if (after && !beside) {
      const { tookMs, isOutage } = await after.done;
      if (isOutage) return { results: [], tookMs: 0, isOutage };
      await pace.rest(tookMs);
    }
    patience.check(rows.length);
    const beganMs = clock.monotonic();
    const results = await this.#carryOut(
      rows.map((row) => admit(this.#bulk, row)),
      beside,
    );
    const tookMs = clock.monotonic() - beganMs;
    pace.note(tookMs);
    return { results, tookMs, isOutage: results.some(([, result]) => isUnavailable(result)) };
  }

  /** Whether the rows may be decided while those before them are written. */
  #mayBeBeside(before: Transaction, rows: readonly Read[]): boolean {
    const asks = rows.flatMap(({ ask }) => ask ?? []);
    const isWhole = asks.length === rows.length && !this.#bulk.isDryRun;
    return isWhole && this.#parts.pace.isFree && mayOverlap(this.#bulk.service.core, before, asks);
  }

  /** In the order of the rows, as far as the database answers. */
  async #carryOut(rows: readonly Read[], after: Transaction | undefined): Promise<Answer[]> {
    const results: Answer[] = [];
    const isWhole = rows.every(({ ask }) => ask);
    let together: Read[] = [];
    const flush = async () => {
      if (together.length === 0) return;
      const asks = together.map(({ ask }) => ask as Ask);
      const transaction = beginBatch(this.#bulk.service.core, asks, { isDryRun: this.#bulk.isDryRun, after });
      if (isWhole) {
        this.#transaction = transaction;
        void transaction.decided.then(() => this.#decided.resolve());
      }
      const applied = await transaction.results;
      this.#log(applied);
      results.push(...together.map((read, at) => [read, applied[at] as Result] as const));
      together = [];
    };
    for (const read of rows) {
      if (read.ask) {
        together.push(read);
        continue;
      }
      await flush();
      if (results.some(([, result]) => isUnavailable(result))) return results;
      results.push([read, await this.#settle(read)]);
    }
    await flush();
    return results;
  }

  #log(applied: readonly Result[]): void {
    const { service, request } = this.#bulk;
    for (const result of applied)
      if ("refusal" in result && result.refusal.code === "internal_error")
        logUnexpected(service, exchangeOf(request), result.refusal.cause);
  }

  async #settle({ refusal, alone }: Read): Promise<Result> {
    if (refusal || !alone) return { refusal: refusal ?? badRequest("there is nothing in the row") };
    try {
      return { outcome: { state: await alone(), isChanged: true } };
    } catch (error) {
      return { refusal: refusalOf(this.#bulk, error) };
    }
  }
}

/** What a row, or the rest of the rows, is refused with. Only the log has what was thrown. */
export function refusalOf({ service, request }: Bulk, thrown: unknown): DeadletterError {
  if (thrown instanceof DeadletterError) return thrown;
  logUnexpected(service, exchangeOf(request), thrown);
  return unexpected(thrown);
}

/** How long a request may go on, and wait for its next row. */
export class Patience {
  readonly #bulk: Bulk;
  readonly #untilMs: number;
  #rowMs: number;

  constructor(bulk: Bulk) {
    const nowMs = bulk.service.core.clock.monotonic();
    this.#bulk = bulk;
    this.#untilMs = nowMs + LIMITS.bulkMs;
    this.#rowMs = nowMs;
  }

  /** With each chunk and each batch, and how many rows it has. Throws unavailable where the rest is not taken up. */
  check(rows: number): void {
    const { service, request } = this.#bulk;
    const nowMs = service.core.clock.monotonic();
    if (rows > 0) this.#rowMs = nowMs;
    const isIdle = nowMs - this.#rowMs > LIMITS.bulkIdleMs;
    if (nowMs > this.#untilMs || isIdle || service.isDraining() || request.signal.aborted)
      throw unavailable("the server does not take up more rows of this request", { hint: "send the rest again" });
  }
}
