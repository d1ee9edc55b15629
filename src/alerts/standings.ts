// What receivers believe of each condition: kept in a file, so that a process that is started again resolves what the one before it
// has told, and does not tell it anew.

import { readFileSync } from "node:fs";
import type { Files } from "../runtime/files.ts";

/** By condition, when its receiver was told that it holds, in milliseconds since 1970. */
export type Told = Readonly<Record<string, number>>;

/** Empty where there is no such file, or it is not one of ours. */
export function readTold(path: string): Told {
  try {
    const read: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (typeof read !== "object" || read === null) return {};
    return Object.fromEntries(Object.entries(read).filter(([, atMs]) => typeof atMs === "number")) as Told;
  } catch {
    return {};
  }
}

/** Throws where it cannot be written. */
export function writeTold(files: Files, path: string, told: Told): void {
  files.replace(path, `${JSON.stringify(told)}\n`);
}
