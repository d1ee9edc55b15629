// Links out of NDJSON: an object a line.

import { LIMITS } from "../limits.ts";
import type { Members } from "./members.ts";
import { readTexts } from "./read-file.ts";
import { readElement } from "./read-json.ts";
import type { Read, SourceLink } from "./source-link.ts";

/** A line that is too long is refused as one, and never held whole. */
export async function* readLines(path: string, map: (members: Members) => SourceLink): AsyncGenerator<Read> {
  let [begun, line] = ["", 0];
  for await (const text of readTexts(path)) {
    const lines = (begun + text).split("\n");
    begun = (lines.pop() ?? "").slice(0, LIMITS.bulkRowChars + 1);
    for (const each of lines) {
      line += 1;
      if (each.trim() !== "") yield readElement(`line ${line}`, each, map);
    }
  }
  if (begun.trim() !== "") yield readElement(`line ${line + 1}`, begun, map);
}
