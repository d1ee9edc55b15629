// Many commands in the order they come: a batch a transaction, each failing alone, never faster than the log takes them up.

import { DeadletterError, unexpected } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { ruleOf } from "../model/command.ts";
import { LINK } from "../model/link-subject.ts";
import { applyAlone, applyEach } from "./apply.ts";
import type { Ask, Result } from "./ask.ts";
import type { Core } from "./context.ts";
import { keepPace } from "./pace.ts";

interface BatchOptions {
  readonly isDryRun: boolean;
  /** The batch before, if the two may overlap (mayOverlap): this one is decided while that one is written. */
  readonly after?: Batch | undefined;
}

/** Commands of which each fails alone, in one transaction. */
export interface Batch {
  readonly asks: readonly Ask[];
  /** Resolves when the next batch may begin: just before the first write where batches overlap, otherwise at the end. */
  readonly decided: Promise<void>;
  /** Resolves when the transaction has ended, to whether it committed. */
  readonly committed: Promise<boolean>;
  /** Where the store did not answer each of them is refused with unavailable, which says what is known. */
  readonly results: Promise<readonly Result[]>;
}

export function beginBatch(core: Core, asks: readonly Ask[], { isDryRun, after }: BatchOptions): Batch {
  const decided = Promise.withResolvers<void>();
  const committed = Promise.withResolvers<boolean>();
  const beforeWrite = async () => {
    decided.resolve();
    if (after && !(await after.committed)) throw new OutOfTurn(after);
  };
  const run = async () => {
    try {
      if (!isDryRun) await keepPace(core);
      const hook = overlaps(core) ? beforeWrite : undefined;
      const results = await applyEach(core, asks, { isDryRun, isBulk: true, beforeWrite: hook });
      committed.resolve(true);
      return results;
    } catch (error) {
      if (error instanceof OutOfTurn) return applyLater(core, asks, error.before);
      if (error instanceof DeadletterError && error.code === "unavailable") return asks.map(() => ({ refusal: error }));
    }
    // Lets the next batch give its connection back; it begins anew after these.
    committed.resolve(false);
    return applyEachAlone(core, asks, isDryRun);
  };
  const results = run().finally(() => {
    decided.resolve();
    committed.resolve(false);
  });
  return { asks, decided: decided.promise, committed: committed.promise, results };
}

/** The batch before did not commit as one transaction, so decisions made in the meantime may be wrong. */
class OutOfTurn extends Error {
  readonly before: Batch;
  constructor(before: Batch) {
    super("out of turn");
    this.before = before;
  }
}

/** Begins anew once the batch before has ended; refused like that one if the store did not answer it. */
async function applyLater(core: Core, asks: readonly Ask[], before: Batch): Promise<readonly Result[]> {
  const away = (await before.results).find(isUnavailable);
  return away ? asks.map(() => away) : beginBatch(core, asks, { isDryRun: false }).results;
}

function overlaps({ store }: Core): boolean {
  return LIMITS.batchesAtOnce[store.engine] > 1;
}

/**
 * Whether a batch may be decided while the one before is written. It must not refer to anything that one creates, and must not lock
 * any rows: with locks, the two batches and a third transaction could deadlock.
 */
export function mayOverlap(core: Core, { asks: before }: Batch, asks: readonly Ask[]): boolean {
  if (!overlaps(core)) return false;
  const made = new Set(before.map(codeOf));
  return asks.every((ask) => {
    const { subject, rule } = ruleOf(ask.command);
    const code = codeOf(ask);
    const isNewLink = subject === LINK && rule.makes === "drawn";
    return isNewLink && (code === undefined || !made.has(code)) && !subject.around(ask.command).lockedUsers;
  });
}

/** The code that a command gives a new link, if it names one. */
function codeOf({ command }: Ask): unknown {
  return "short_code" in command ? command.short_code?.trim() : undefined;
}

/** After a transaction in which one command broke a database rule, so that nothing was written. */
async function applyEachAlone(core: Core, asks: readonly Ask[], isDryRun: boolean): Promise<readonly Result[]> {
  const results: Result[] = [];
  let away: Result | undefined;
  for (const ask of asks) {
    const result = away ?? (await applySingly(core, ask, isDryRun));
    if (isUnavailable(result)) away = result;
    results.push(result);
  }
  return results;
}

/** Whether the store did not answer. */
export function isUnavailable(result: Result): boolean {
  return "refusal" in result && result.refusal.code === "unavailable";
}

async function applySingly(core: Core, ask: Ask, isDryRun: boolean): Promise<Result> {
  try {
    return { outcome: await applyAlone(core, ask, { isDryRun, isBulk: true }) };
  } catch (error) {
    if (error instanceof DeadletterError) return { refusal: error };
    return { refusal: unexpected(error) };
  }
}

/** How much at once whoever changes many things may do, beside whatever else the process does. */
export interface Pacing {
  /** Rows of the next transaction. */
  readonly size: number;
  /** After each, and how long it took. */
  rest(tookMs: number): Promise<void>;
}
