// What the last verification came to: a file in the data directory, so that the process that serves can say it on /metrics.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Files } from "../runtime/files.ts";

export interface LastVerify {
  readonly at_ms: number;
  readonly is_true: boolean;
}

function lastVerifyPath(dataDir: string): string {
  return join(dataDir, "last-verify");
}

/** Throws where it cannot be written. */
export function writeLastVerify(files: Files, dataDir: string, last: LastVerify): void {
  // Nothing in it is secret, and who verifies may be another user than who serves.
  files.replace(lastVerifyPath(dataDir), `${JSON.stringify(last)}\n`, { isPublic: true });
}

/** Undefined where there was none, or the file is not one of ours. */
export function readLastVerify(dataDir: string): LastVerify | undefined {
  try {
    const { at_ms, is_true } = JSON.parse(readFileSync(lastVerifyPath(dataDir), "utf8")) as Partial<LastVerify>;
    return typeof at_ms === "number" && typeof is_true === "boolean" ? { at_ms, is_true } : undefined;
  } catch {
    return undefined;
  }
}
