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
  /** One that is decided already: this one is decided while that is written, and written once it is committed (mayOverlap). */
  readonly after?: Batch | undefined;
}

/** Commands of which each fails alone, in one transaction. */
export interface Batch {
  readonly asks: readonly Ask[];
  /** Resolves once they are decided and about to be written, or it has ended. */
  readonly decided: Promise<void>;
  /** Resolves once its transaction has ended: whether it was committed. */
  readonly committed: Promise<boolean>;
  /** Where the store did not answer each of them is refused with unavailable, which says what is known. */
  readonly results: Promise<readonly Result[]>;
}

export function beginBatch(core: Core, asks: readonly Ask[], { isDryRun, after }: BatchOptions): Batch {
  const decided = Promise.withResolvers<void>();
  const committed = Promise.withResolvers<boolean>();
  const beforeWrite = async () => {
    decided.resolve();
    if (after && !(await after.committed)) throw new OutOfTurn();
  };
  const run = async () => {
    try {
      if (!isDryRun) await keepPace(core);
      const results = await applyEach(core, asks, { isDryRun, isBulk: true, beforeWrite });
      committed.resolve(true);
      return results;
    } catch (error) {
      if (error instanceof OutOfTurn) return applyLater(core, asks, after);
      if (error instanceof DeadletterError && error.code === "unavailable") return refuseAll(asks, error);
    }
    // Whoever waits for its turn holds what they may need.
    committed.resolve(false);
    return applyEachAlone(core, asks, isDryRun);
  };
  const results = run().finally(() => {
    decided.resolve();
    committed.resolve(false);
  });
  return { asks, decided: decided.promise, committed: committed.promise, results };
}

/** The batch before was not committed as one: what was decided meanwhile may not be so. */
class OutOfTurn extends Error {}

/** Once the batch before has ended, and only where the store answered then: in order. */
async function applyLater(core: Core, asks: readonly Ask[], after: Batch | undefined): Promise<readonly Result[]> {
  const away = (await after?.results)?.find(isUnavailable);
  if (away && "refusal" in away) return refuseAll(asks, away.refusal);
  return beginBatch(core, asks, { isDryRun: false }).results;
}

function refuseAll(asks: readonly Ask[], refusal: DeadletterError): readonly Result[] {
  return asks.map(() => ({ refusal }));
}

/**
 * Whether a batch may be decided while the one before is written: nothing of it is about what that makes, and it locks nothing, so
 * that nobody who holds the other up can wait for it.
 */
export function mayOverlap(core: Core, { asks: before }: Batch, asks: readonly Ask[]): boolean {
  if (LIMITS.batchesAtOnce[core.store.engine] === 1) return false;
  const made = new Set(before.map(codeOf));
  return asks.every((ask) => {
    const { subject, rule } = ruleOf(ask.command);
    const code = codeOf(ask);
    const isNewLink = subject === LINK && rule.makes === "drawn";
    return isNewLink && (code === undefined || !made.has(code)) && !subject.around(ask.command).lockedUsers;
  });
}

/** The code that a link is to have, where its command says so. */
function codeOf({ command }: Ask): unknown {
  return "short_code" in command ? command.short_code?.trim() : undefined;
}

/** Something of one of them broke a rule of the database's, and nothing was written: each is tried by itself. */
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
