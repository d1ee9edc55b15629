// When somebody is told that something is wrong, and that it no longer is.

import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NO_TOTALS, type Snapshot, type Totals } from "../../src/alerts/conditions.ts";
import type { AlertMessage } from "../../src/alerts/message.ts";
import { readTold, type Told, writeTold } from "../../src/alerts/standings.ts";
import { AlertWatch } from "../../src/alerts/watch.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { systemFiles } from "../../src/runtime/files.ts";

const CALM: Omit<Snapshot, "atMs"> = {
  isDatabaseSilent: false,
  isRefused: false,
  quarantined: 0,
  totals: NO_TOTALS,
  disk: { freeBytes: 50, sizeBytes: 100 },
};
const counted = (totals: Partial<Totals>) => ({ totals: { ...NO_TOTALS, ...totals } });

interface Scene {
  /** Whether a message is taken, by the second. */
  readonly isTaken?: (second: number) => boolean;
  readonly told?: Told;
  readonly isCountingAnew?: boolean;
}

/** Looks every 5 s at what is so then, and says what was sent and when: seconds, status, alert; and what is kept at the end. */
async function watched(
  seconds: number,
  at: (second: number) => Partial<Omit<Snapshot, "atMs">>,
  { isTaken = () => true, told = {}, isCountingAnew = true }: Scene = {},
) {
  let nowMs = 0;
  let kept: Told = told;
  const sent: string[] = [];
  const messages: AlertMessage[] = [];
  const watch = new AlertWatch({
    clock: { ...systemClock, monotonic: () => nowMs, now: () => nowMs },
    look: () => Promise.resolve({ ...CALM, ...at(nowMs / 1000) }),
    send(message) {
      messages.push(message);
      sent.push(`${nowMs / 1000} ${message.status} ${message.alert}`);
      return Promise.resolve(isTaken(nowMs / 1000));
    },
    cooldownMs: 300_000,
    origin: "test/log",
    host: "one",
    replica: "one 1",
    told,
    keep: (next) => {
      kept = next;
    },
    isCountingAnew,
    onFailure: (error) => {
      throw error;
    },
  });
  for (; nowMs <= seconds * 1000; nowMs += 5_000) {
    await watch.look();
    // What was sent is delivered, or not, before the next look.
    await Bun.sleep(0);
  }
  expect(messages.every(({ dedupeKey }) => dedupeKey.startsWith("deadletter/test/log/"))).toBe(true);
  return { sent, kept };
}

const sentIn = async (...scene: Parameters<typeof watched>) => (await watched(...scene)).sent;

test("nothing is said while nothing is wrong", async () => {
  expect(await sentIn(3_600, () => ({}))).toEqual([]);
});

test("a database that is down is told once it has lasted, and that it is back", async () => {
  const isDown = (second: number) => ({ isDatabaseSilent: second >= 60 && second < 120 });
  expect(await sentIn(300, isDown)).toEqual(["80 firing database_down", "130 resolved database_down"]);
  const isShort = (second: number) => ({ isDatabaseSilent: second >= 60 && second < 75 });
  expect(await sentIn(300, isShort)).toEqual([]);
});

test("what comes and goes is told no more often than the cooldown allows, and never resolved without having fired", async () => {
  const flaps = (second: number) => ({ isDatabaseSilent: second % 60 >= 20 });
  const told = await sentIn(900, flaps);
  expect(told.filter((line) => line.includes("firing"))).toEqual([
    "40 firing database_down",
    "340 firing database_down",
    "640 firing database_down",
  ]);
  const words = told.map((line) => line.split(" ")[1]);
  for (const [index, word] of words.entries()) expect(word).toBe(index % 2 === 0 ? "firing" : "resolved");
});

test("what lasts is said again after four hours, a database that is down after a quarter of one", async () => {
  expect(await sentIn(5 * 3_600, () => ({ quarantined: 3 }))).toEqual([
    "0 firing log_quarantine",
    "14400 firing log_quarantine",
  ]);
  expect(await sentIn(1_000, () => ({ isDatabaseSilent: true }))).toEqual([
    "20 firing database_down",
    "920 firing database_down",
  ]);
});

test("what the webhook did not take is said again at the next look, and what it never took is not resolved", async () => {
  const quarantined = (second: number) => ({ quarantined: second >= 10 && second < 60 ? 1 : 0 });
  const sent = await sentIn(200, quarantined, { isTaken: (second) => second >= 30 });
  expect(sent).toEqual([
    ...[10, 15, 20, 25, 30].map((second) => `${second} firing log_quarantine`),
    "70 resolved log_quarantine",
  ]);
  const never = await sentIn(200, quarantined, { isTaken: () => false });
  expect(never.filter((line) => line.includes("resolved"))).toEqual([]);
});

test("what cannot be told at the moment neither fires nor is over", async () => {
  const slow = (second: number) => ({
    quarantined: second >= 50 && second < 400 ? undefined : 3,
    isRefused: undefined,
    disk: undefined,
  });
  expect(await sentIn(600, slow)).toEqual(["0 firing log_quarantine"]);
  // Totals that one look lacks are no fall and no rise.
  const lacking = (second: number) =>
    second === 100 ? { totals: undefined } : counted({ answers: 10 * second, failures: 9_000, clicksDropped: 5_000 });
  expect(await sentIn(1_500, lacking, { isCountingAnew: false })).toEqual([]);
});

test("an error rate is of the last minute, and of more than a few", async () => {
  const failing = (second: number) =>
    counted({ answers: second * 10, failures: Math.max(0, Math.min(second, 180) - 120) * 5 });
  expect(await sentIn(400, failing)).toEqual(["130 firing error_rate", "245 resolved error_rate"]);
  const few = (second: number) => counted({ answers: second / 10, failures: second / 10 });
  expect(await sentIn(600, few)).toEqual([]);
});

test("lost clicks, alarms, a refused log and a full disk are told", async () => {
  expect(await sentIn(900, (second) => counted({ clicksDropped: second >= 100 ? 7 : 0 }))).toEqual([
    "100 firing clicks_dropped",
    "710 resolved clicks_dropped",
  ]);
  expect(await sentIn(60, () => ({ isRefused: true }))).toEqual(["30 firing log_refused"]);
  expect(await sentIn(120, () => ({ disk: { freeBytes: 5, sizeBytes: 100 } }))).toEqual(["60 firing disk"]);
  const alarms = (failed: number, late: number) => counted({ alarms: { ...NO_TOTALS.alarms, failed, late } });
  // Each kind by itself: one that is harmless hides none that is not.
  expect(await sentIn(120, (second) => alarms(second >= 50 ? 1 : 0, second >= 60 ? 1 : 0))).toEqual([
    "50 firing log_alarm_failed",
    "60 firing log_alarm_late",
  ]);
});

test("what was counted before the first look is news, unless others had counted it before", async () => {
  const early = () => counted({ clicksDropped: 700 });
  expect(await sentIn(60, early)).toEqual(["0 firing clicks_dropped"]);
  expect(await sentIn(60, early, { isCountingAnew: false })).toEqual([]);
});

test("a process that is started again resolves what the one before it told, and does not tell it anew", async () => {
  const { kept } = await watched(60, () => ({ quarantined: 1 }));
  expect(kept).toEqual({ log_quarantine: 0 });
  expect(await sentIn(60, () => ({ quarantined: 1 }), { told: kept })).toEqual([]);
  const after = await watched(60, () => ({}), { told: kept });
  expect([after.sent, after.kept]).toEqual([["10 resolved log_quarantine"], {}]);
});

test("what was told is kept in a file, and a file that is none is none", () => {
  const folder = mkdtempSync(join(tmpdir(), "deadletter-told-"));
  const path = join(folder, "alerts-told");
  expect(readTold(path)).toEqual({});
  writeTold(systemFiles, path, { disk: 12 });
  expect(readTold(path)).toEqual({ disk: 12 });
  for (const text of ["", "null", "[1]", '{"disk":"soon"}']) {
    writeFileSync(path, text);
    expect(Object.keys(readTold(path)).filter((name) => name === "disk")).toEqual([]);
  }
  rmSync(folder, { recursive: true, force: true });
});
