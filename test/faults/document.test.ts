// docs/failure-modes.md is what the fault matrix says.

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { ALERTS } from "../../src/monitoring/alerts.ts";
import { DOCUMENT, failureModes, GROUPS } from "./document.ts";

test("docs/failure-modes.md is made from the rows, which name alerts that there are", () => {
  expect(readFileSync(DOCUMENT, "utf8")).toBe(failureModes());
  const names = new Set(ALERTS.map(({ name }) => name));
  const faults = GROUPS.flatMap(([, some]) => some);
  expect(faults.flatMap(({ alerts }) => alerts).filter((alert) => !names.has(alert))).toEqual([]);
  expect(new Set(faults.map(({ name }) => name)).size).toBe(faults.length);
});
