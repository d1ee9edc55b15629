// What doctor says of one thing it looked at.

import { messageOf } from "../errors.ts";

export type Verdict = "ok" | "warning" | "failed";

export interface Finding {
  readonly check: string;
  readonly verdict: Verdict;
  readonly detail: string;
  /** What to do; null where nothing needs to be. */
  readonly remedy: string | null;
}

export function ok(check: string, detail: string): Finding {
  return { check, verdict: "ok", detail, remedy: null };
}

export function warning(check: string, detail: string, remedy: string): Finding {
  return { check, verdict: "warning", detail, remedy };
}

export function failed(check: string, detail: string, remedy: string): Finding {
  return { check, verdict: "failed", detail, remedy };
}

/** What a check found, or that it could not be made. */
export async function attempt(check: string, run: () => Promise<readonly Finding[]>): Promise<readonly Finding[]> {
  try {
    return await run();
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? `: ${messageOf(error.cause)}` : "";
    const hint = (error as { hint?: string }).hint;
    return [failed(check, `${messageOf(error)}${cause}`, hint ?? "mend that first, and look again")];
  }
}
