// docs/features.md claims nothing for us that no test holds.

import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const DOCS = join(import.meta.dir, "../../docs");

test("every feature that docs/features.md says we have names a test that is there", () => {
  const text = readFileSync(join(DOCS, "features.md"), "utf8");
  const rows = text
    .split("\n")
    .filter((line) => line.startsWith("| "))
    .map((line) => line.split("|").map((cell) => cell.trim()))
    .filter((cells) => cells.length === 10);
  const claims = rows
    .filter(([, feature]) => !/^(?:-+|feature)$/.test(feature ?? ""))
    .map(([, feature, ours = ""]) => ({ feature, ours }));
  expect(claims.length).toBeGreaterThan(40);
  for (const { feature, ours } of claims) {
    const path = /\(\.\.\/(test\/[^)]+)\)/.exec(ours)?.[1];
    if (ours === "no") continue;
    expect([feature, path !== undefined && existsSync(join(DOCS, "..", path))]).toEqual([feature, true]);
  }
});
