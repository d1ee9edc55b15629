// The fault matrix: each fault happens to a server that serves, and what its row says must hold. A command of its own (bun run
// faults), since it takes minutes. Prints a row each at the end.

import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ALERTS } from "../../src/monitoring/alerts.ts";
import { stopServer } from "../support/postgres.ts";
import { GROUPS } from "./document.ts";
import { type Fault, firesIn } from "./fault.ts";

const FAULTS = GROUPS.flatMap(([, faults]) => faults);
const folder = mkdtempSync(join(tmpdir(), "deadletter-faults-"));
const outcomes = new Map<string, string>();

function canRun({ needs }: Fault): boolean {
  if (needs === "mounts") return process.env.DEADLETTER_TEST_MOUNTS === "true";
  if (needs === "pgbouncer") return Bun.which("pgbouncer", { PATH: `${process.env.PATH}:/usr/sbin` }) !== null;
  return needs === undefined || Bun.which("pg_basebackup", { PATH: "/usr/lib/postgresql/15/bin" }) !== null;
}
const HAS_PROMTOOL = Bun.which("promtool") !== null;

for (const fault of FAULTS)
  test.skipIf(!canRun(fault))(
    `${fault.name}: ${fault.recovery}`,
    async () => {
      outcomes.set(fault.name, "FAILED");
      const scrapes = await fault.run();
      if (HAS_PROMTOOL)
        for (const alert of fault.alerts) {
          expect([alert, firesIn(folder, alert, scrapes, fault)]).toEqual([alert, true]);
          // Without the fault it does not.
          const calm = { before: scrapes.before, during: scrapes.before };
          expect([alert, firesIn(folder, alert, calm, fault)]).toEqual([alert, false]);
        }
      outcomes.set(fault.name, "holds");
    },
    180_000,
  );

test("every alert fires in the matrix, but those on what takes days or cannot be made to happen", () => {
  const fired = new Set(FAULTS.flatMap(({ alerts }) => alerts));
  expect(
    ALERTS.map(({ name }) => name)
      .filter((name) => !fired.has(name))
      .toSorted(),
  ).toEqual([
    "DeadletterAbsent",
    "DeadletterClickSpool",
    "DeadletterDiskSoon",
    "DeadletterUncaughtErrors",
    "DeadletterVerifyOld",
  ]);
});

afterAll(async () => {
  console.log("outcome | fault | clients see | metric | alerts that fired | recovery | lost");
  for (const { name, client, metric, alerts, recovery, lost } of FAULTS)
    console.log(
      [outcomes.get(name) ?? "skipped", name, client, metric, alerts.join(", ") || "-", recovery, lost].join(" | "),
    );
  if (!HAS_PROMTOOL)
    console.log("alerts were not held against the rules: promtool is missing (apt-get install prometheus)");
  await stopServer();
  rmSync(folder, { recursive: true, force: true });
});
