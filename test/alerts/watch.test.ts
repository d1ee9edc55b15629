// When somebody is told that something is wrong, and that it no longer is.

import { expect, test } from "bun:test";
import type { Snapshot } from "../../src/alerts/conditions.ts";
import type { AlertMessage } from "../../src/alerts/message.ts";
import { AlertWatch } from "../../src/alerts/watch.ts";
import { systemClock } from "../../src/runtime/clock.ts";

const CALM: Omit<Snapshot, "atMs"> = {
  isDatabaseSilent: false,
  isRefused: false,
  quarantined: 0,
  answers: { total: 0, failed: 0 },
  clicksDropped: 0,
  alarms: 0,
  disk: { freeBytes: 50, sizeBytes: 100 },
};

/** Looks every 5 s at what is so then, and says what was sent and when: seconds, status, alert. */
async function watched(seconds: number, at: (second: number) => Partial<Omit<Snapshot, "atMs">>): Promise<string[]> {
  let nowMs = 0;
  const sent: string[] = [];
  const messages: AlertMessage[] = [];
  const watch = new AlertWatch({
    clock: { ...systemClock, monotonic: () => nowMs, now: () => nowMs },
    look: () => Promise.resolve({ ...CALM, ...at(nowMs / 1000) }),
    send(message) {
      messages.push(message);
      sent.push(`${nowMs / 1000} ${message.status} ${message.alert}`);
    },
    cooldownMs: 300_000,
    origin: "test/log",
    host: "one",
    replica: "one 1",
    onFailure: (error) => {
      throw error;
    },
  });
  for (; nowMs <= seconds * 1000; nowMs += 5_000) await watch.look();
  expect(messages.every(({ dedupeKey }) => dedupeKey.startsWith("deadletter/test/log/"))).toBe(true);
  return sent;
}

test("nothing is said while nothing is wrong", async () => {
  expect(await watched(3_600, () => ({}))).toEqual([]);
});

test("a database that is down is told once it has lasted, and that it is back", async () => {
  const isDown = (second: number) => ({ isDatabaseSilent: second >= 60 && second < 120 });
  expect(await watched(300, isDown)).toEqual(["80 firing database_down", "130 resolved database_down"]);
  const isShort = (second: number) => ({ isDatabaseSilent: second >= 60 && second < 75 });
  expect(await watched(300, isShort)).toEqual([]);
});

test("what comes and goes is told no more often than the cooldown allows, and never resolved without having fired", async () => {
  const flaps = (second: number) => ({ isDatabaseSilent: second % 60 >= 20 });
  const told = await watched(900, flaps);
  expect(told.filter((line) => line.includes("firing"))).toEqual([
    "40 firing database_down",
    "340 firing database_down",
    "640 firing database_down",
  ]);
  const words = told.map((line) => line.split(" ")[1]);
  for (const [index, word] of words.entries()) expect(word).toBe(index % 2 === 0 ? "firing" : "resolved");
});

test("what lasts is said again after four hours", async () => {
  expect(await watched(5 * 3_600, () => ({ quarantined: 3 }))).toEqual([
    "0 firing log_quarantine",
    "14400 firing log_quarantine",
  ]);
});

test("an error rate is of the last minute, and of more than a few", async () => {
  const failing = (second: number) => ({
    answers: { total: second * 10, failed: Math.max(0, Math.min(second, 180) - 120) * 5 },
  });
  expect(await watched(400, failing)).toEqual(["130 firing error_rate", "245 resolved error_rate"]);
  const few = (second: number) => ({ answers: { total: second / 10, failed: second / 10 } });
  expect(await watched(600, few)).toEqual([]);
});

test("lost clicks, alarms, a refused log and a full disk are told", async () => {
  expect(await watched(900, (second) => ({ clicksDropped: second >= 100 ? 7 : 0 }))).toEqual([
    "100 firing clicks_dropped",
    "710 resolved clicks_dropped",
  ]);
  expect(await watched(60, () => ({ isRefused: true }))).toEqual(["30 firing log_refused"]);
  expect(await watched(120, () => ({ disk: { freeBytes: 5, sizeBytes: 100 } }))).toEqual(["60 firing disk"]);
  expect(await watched(120, (second) => ({ alarms: second >= 50 ? 1 : 0 }))).toEqual(["50 firing log_alarm"]);
});
