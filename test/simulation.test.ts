// Two replicas under seeded schedules, in one process and simulated time: SIMULATION_SEEDS of them, from SIMULATION_SEED on. A failing
// run prints its seed; SIMULATION_SEED=n SIMULATION_SEEDS=1 runs that one again, as it was.

import { expect, test } from "bun:test";
import { type Plant, simulate } from "./support/simulation.ts";

const FIRST = Number(process.env.SIMULATION_SEED ?? 1);
const SEEDS = Number(process.env.SIMULATION_SEEDS ?? 200);

test(`${SEEDS} seeds find nothing wrong`, async () => {
  let [reads, changes] = [0, 0];
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    const { findings, trace } = await simulate(seed);
    if (findings.length > 0)
      throw new Error(`SIMULATION_SEED=${seed}: ${findings.slice(0, 3).join("; ")}\n${trace.slice(-40).join("\n")}`);
    reads += trace.filter((line) => line.includes("redirects")).length;
    changes += trace.filter((line) => line.includes("changed")).length;
  }
  console.log(`      ${SEEDS} seeds: ${changes} changes, ${reads} redirects`);
  expect(changes).toBeGreaterThan(SEEDS);
}, 600_000);

test("a seed gives the same trace each time, and another one another", async () => {
  const [one, again, other] = [await simulate(FIRST), await simulate(FIRST), await simulate(FIRST + 1)];
  expect(again.trace).toEqual(one.trace);
  expect(other.trace).not.toEqual(one.trace);
});

test.each<Plant>(["lost-eviction", "told-before-commit"])(
  "a planted %s is found within 200 seeds",
  async (plant) => {
    for (let seed = 1; seed <= 200; seed++) {
      const { findings } = await simulate(seed, plant);
      if (findings.length === 0) continue;
      console.log(`      ${plant}: SIMULATION_SEED=${seed} finds that ${findings[0]}`);
      return;
    }
    throw new Error("it was not found");
  },
  600_000,
);
