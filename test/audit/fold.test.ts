import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type FoldStep, fold } from "../../src/audit/fold.ts";
import type { EventType } from "../../src/model/event.ts";
import { LINK } from "../../src/model/link-subject.ts";
import { formatTime } from "../../src/model/time.ts";

const link = {
  id: 5,
  short_code: "abc",
  original_url: "https://a.b/",
  title: "",
  is_active: true,
  expires_at: null,
  user_id: 1,
};

/** A history that could have happened: each step is one of those its predecessor allows. */
const history = fc
  .array(fc.tuple(fc.constantFrom<EventType>("updated", "deleted", "restored"), fc.string(), fc.nat(1_000)), {
    maxLength: 30,
  })
  .map((wishes) => {
    let atMs = 1_000;
    let state = { ...link, created_at: formatTime(atMs), updated_at: formatTime(atMs), version: 1 };
    const steps: FoldStep[] = [{ subjectId: 5, version: 1, op: "created", atMs, state }];
    for (const [wish, title, passed] of wishes) {
      const op: EventType = !state.is_active ? "restored" : wish === "restored" ? "updated" : wish;
      atMs += passed;
      state = {
        ...state,
        title: op === "updated" ? title : state.title,
        is_active: op !== "deleted",
        updated_at: formatTime(atMs),
        version: state.version + 1,
      };
      steps.push({ subjectId: 5, version: state.version, op, atMs, state });
    }
    return steps;
  });

describe("fold()", () => {
  test("of a possible history is the last state (property)", () => {
    fc.assert(fc.property(history, (steps) => expect(fold(LINK, steps)).toEqual(steps.at(-1)?.state ?? {})));
  });

  test("of any prefix is the state at that moment (property)", () => {
    fc.assert(
      fc.property(history, fc.nat(), (steps, at) => {
        const length = (at % steps.length) + 1;
        expect(fold(LINK, steps.slice(0, length))).toEqual(steps[length - 1]?.state ?? {});
      }),
    );
  });

  test("refuses a history with a step left out, repeated or moved (property)", () => {
    fc.assert(
      fc.property(
        history.filter((steps) => steps.length > 2),
        fc.nat(),
        (steps, at) => {
          const index = at % (steps.length - 1);
          const [step, next] = [steps[index], steps[index + 1]] as [FoldStep, FoldStep];
          expect(() => fold(LINK, steps.toSpliced(index, 1))).toThrow();
          expect(() => fold(LINK, steps.toSpliced(index, 1, step, step))).toThrow();
          expect(() => fold(LINK, steps.toSpliced(index, 2, next, step))).toThrow();
        },
      ),
    );
  });

  const created: FoldStep = {
    subjectId: 5,
    version: 1,
    op: "created",
    atMs: 0,
    state: { ...link, created_at: formatTime(0), updated_at: formatTime(0), version: 1 },
  };
  const second = (op: EventType, state: object): FoldStep => ({
    ...created,
    op,
    version: 2,
    state: { ...created.state, version: 2, ...state },
  });

  test.each<[string, FoldStep]>([
    ["short_code can never change", second("updated", { short_code: "xyz" })],
    ["created_at can never change", second("updated", { created_at: formatTime(1) })],
    ["another subject", second("updated", { id: 6 })],
    ["an active subject", second("restored", {})],
    ["wrong activity", second("deleted", {})],
    ["wrong activity", second("updated", { is_active: false })],
    ["starts with created", second("created", {})],
    ["not updated when", second("updated", { updated_at: formatTime(1) })],
  ])("says: %s", (rule, step) => {
    expect(() => fold(LINK, [created, step])).toThrow(rule);
  });

  test("keeps an imported subject's own times, and its old history out of the state", () => {
    const imported: FoldStep = {
      ...created,
      op: "imported",
      atMs: 99,
      state: { ...created.state, legacy_history: [{ id: "1" }] },
    };
    expect(fold(LINK, [imported])).toEqual(created.state);
  });
});
