// Writing to the terminal that standard output is.

import { writeSync } from "node:fs";
import { LIMITS } from "../limits.ts";

/** At once: what is written must be there when the process ends, whatever ends it. */
export function writeToTerminal(text: string): void {
  for (let bytes = Buffer.from(text); bytes.length > 0; ) {
    try {
      bytes = bytes.subarray(writeSync(1, bytes));
    } catch (error) {
      // A terminal that takes nothing just now takes it soon; one that is gone takes nothing ever.
      if ((error as { code?: string }).code !== "EAGAIN") return;
      Bun.sleepSync(LIMITS.terminalRetryMs);
    }
  }
}
