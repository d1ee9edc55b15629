// Many commands in the order they come: a batch a transaction, each failing alone, never faster than the log takes them up.

import { DeadletterError, unexpected } from "../errors.ts";
import { applyAlone, applyEach } from "./apply.ts";
import type { Ask, Result } from "./ask.ts";
import type { Core } from "./context.ts";
import { keepPace } from "./pace.ts";

/** What a batch came to. Where the store did not answer, each of it is refused with unavailable, which says what is known. */
export async function applyBatch(
  core: Core,
  asks: readonly Ask[],
  { isDryRun }: { readonly isDryRun: boolean },
): Promise<readonly Result[]> {
  try {
    if (!isDryRun) await keepPace(core);
    return await applyEach(core, asks, { isDryRun, isBulk: true });
  } catch (error) {
    if (error instanceof DeadletterError && error.code === "unavailable") return asks.map(() => ({ refusal: error }));
  }
  // Something of one of them broke a rule of the database's, and nothing was written: each is tried by itself.
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
