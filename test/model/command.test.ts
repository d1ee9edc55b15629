// decide(): who may ask, and what a field that states gained later may say while older releases can still write.

import { describe, expect, test } from "bun:test";
import { fold } from "../../src/audit/fold.ts";
import type { Command } from "../../src/model/command.ts";
import { decide, ruleOf } from "../../src/model/command.ts";
import { optionalText, type State } from "../../src/model/field.ts";
import { DEFAULT_OPTIONS } from "../../src/model/link-options.ts";
import { LINK } from "../../src/model/link-subject.ts";
import { refuseUnfinalized } from "../../src/model/mixed-releases.ts";
import { ROLES, type Role } from "../../src/model/role.ts";
import {
  auditedState,
  type Context,
  differingFields,
  type Subject,
  stateFromRow,
  wholeState,
} from "../../src/model/subject.ts";
import { SUBJECTS } from "../../src/model/subjects.ts";
import { formatTime } from "../../src/model/time.ts";
import { GENERATION } from "../../src/store/generation.ts";

const row = {
  id: 5,
  short_code: "abc",
  original_url: "https://a.b/",
  title: "",
  is_active: 1,
  expires_at_ms: null,
  user_id: 1,
  created_at_ms: 0,
  updated_at_ms: 0,
  version: 3,
  ...DEFAULT_OPTIONS,
};
const context = (role: Role, more: Partial<Context> = {}): Context => ({
  caller: { userId: 1, keyId: 1, role, via: "test", requestId: null },
  isKeyLive: true,
  heldBy: () => undefined,
  nowMs: 10,
  generation: GENERATION,
  ownHosts: new Set(),
  drawn: { id: 9, text: "drawn1" },
  known: { find: () => undefined, all: () => [] },
  ...more,
});

describe("decide()", () => {
  const update: Command = { type: "link.update", id: 5, title: "new" };

  test("gives the next row and what its event says, and touches nothing it was given", () => {
    const before = { ...row };
    const next = { ...row, title: "new", updated_at_ms: 10, version: 4 };
    expect(decide(before, update, context("editor"))).toEqual({ op: "updated", next, reason: null });
    expect(before).toEqual(row);
    expect(decide(row, { type: "link.update", id: 5, title: "" }, context("editor"))).toBeNull();
  });

  test("never lets a history go back in time", () => {
    expect(decide({ ...row, updated_at_ms: 99 }, update, context("editor"))?.next.updated_at_ms).toBe(99);
  });

  test("refuses every command to a role below the one it takes, and to a key that was revoked meanwhile", () => {
    for (const subject of SUBJECTS)
      for (const [type, { needs }] of Object.entries(subject.commands))
        for (const role of ROLES.slice(0, ROLES.indexOf(needs))) {
          const command = { type, id: 5 } as Command;
          expect(() => decide(row, command, context(role))).toThrow(`this needs a key of role ${needs}`);
        }
    expect(() => decide(row, update, context("admin", { isKeyLive: false }))).toThrow("the key is not valid");
  });

  test("knows every command by its noun, once", () => {
    for (const subject of SUBJECTS)
      for (const type of Object.keys(subject.commands) as Command["type"][]) {
        expect(type).toStartWith(`${subject.noun}.`);
        expect(ruleOf({ type }).subject).toBe(subject);
      }
  });
});

describe("a field that states gained in a later generation", () => {
  const fields = { ...LINK.fields, remark: optionalText({ gained: { generation: GENERATION + 1, absent: null } }) };
  const grown: Subject = { ...(LINK as Subject), fields };
  const silent = { ...row, remark: null };
  const speaking = { ...row, remark: "hello" };

  test("is refused until the store is finalized for it, unless it says what its absence says", () => {
    expect(() => refuseUnfinalized(grown, null, speaking, GENERATION)).toThrow(
      "remark: older releases may still write to this store",
    );
    expect(() => refuseUnfinalized(grown, null, silent, GENERATION)).not.toThrow();
    expect(() => refuseUnfinalized(grown, null, speaking, GENERATION + 1)).not.toThrow();
  });

  test("is left out of an event that an older release could have written as well, byte for byte", () => {
    expect(JSON.stringify(auditedState(grown, stateFromRow(grown, silent)))).toBe(
      JSON.stringify(auditedState(LINK, stateFromRow(LINK, row))),
    );
    expect(auditedState(grown, stateFromRow(grown, speaking))).toMatchObject({ remark: "hello" });
    expect(stateFromRow(grown, silent)).toMatchObject({ remark: null });
  });

  test("is no change where it is absent before and says as much after, and a change where it says more", () => {
    const old: State = stateFromRow(LINK, row);
    expect(differingFields(grown, old, stateFromRow(grown, silent))).toEqual([]);
    expect(differingFields(grown, old, stateFromRow(grown, speaking))).toEqual(["remark"]);
  });

  test("is in a state that is shown, also of an event that was written before it", () => {
    const old: State = stateFromRow(LINK, row);
    expect(wholeState(grown, old)).toEqual({ ...old, remark: null });
    expect(wholeState(grown, { ...old, remark: "hello", legacy_history: [] })).toMatchObject({
      remark: "hello",
      legacy_history: [],
    });
  });

  test("of a history that began before it is folded with the rest", () => {
    const at = (atMs: number, version: number, more: State = {}) => ({
      subjectId: 5,
      version,
      op: version === 1 ? ("created" as const) : ("updated" as const),
      atMs,
      state: { ...stateFromRow(LINK, { ...row, updated_at_ms: atMs, version }), ...more },
    });
    const last = fold(grown, [at(0, 1), at(5, 2, { remark: "hello" }), at(9, 3)]);
    expect(last).toEqual({ ...stateFromRow(LINK, { ...row, updated_at_ms: 9, version: 3 }) });
    expect(formatTime(9)).toBe(String(last?.updated_at));
  });
});

test("values that are lists are compared by what is in them", () => {
  const state = { id: 5, tags: ["a", "b"] };
  expect(differingFields(LINK, state, { id: 5, tags: ["a", "b"] })).toEqual([]);
  expect(differingFields(LINK, state, { id: 5, tags: ["a", "c"] })).toEqual(["tags"]);
});

describe("what older releases would not know of", () => {
  const accept: Command = { type: "log.create", id: 1, epoch: 1, statement: "a statement", reason: "why" };

  test("is refused as a whole kind of subject until the store is finalized for its generation", () => {
    expect(() => decide(null, accept, context("admin", { generation: 1 }))).toThrow(
      "older releases may still write to this store, and would not know of a log",
    );
    const made = decide(null, accept, context("admin", { drawn: { id: 1, text: "" } }));
    expect(made).toMatchObject({ op: "created", next: { id: 1, epoch: 1, version: 1 }, reason: "why" });
  });

  test("of the log counts on: an epoch that was there is refused", () => {
    const log = { id: 1, epoch: 2, statement: "s", created_at_ms: 0, updated_at_ms: 0, version: 2 };
    const next: Command = { ...accept, type: "log.update", epoch: 3 };
    expect(decide(log, next, context("admin"))).toMatchObject({ op: "updated", next: { epoch: 3, version: 3 } });
    expect(() => decide(log, { ...next, epoch: 2 }, context("admin"))).toThrow("the log is in epoch 2 already");
    expect(() => decide(null, next, context("admin"))).toThrow("the log never went back");
  });
});

describe("erasing a user", () => {
  const user = {
    id: 7,
    username: "erased-7-0011aabb",
    email: "erased-7@invalid",
    is_active: 0,
    created_at_ms: 0,
    updated_at_ms: 0,
    version: 4,
  };
  const erase = (actors: string[], states: string[]): Command => ({ type: "user.erase", id: 7, actors, states });

  test("is refused where nothing of it is left, and goes on while something is", () => {
    expect(() => decide(user, erase([], []), context("admin"))).toThrow("user 7 is erased already");
    for (const [actors, states] of [
      [["url:1:1"], []],
      [[], ["user:7:1"]],
    ] as const)
      expect(
        decide(user, erase([...actors], [...states]), context("admin", { drawn: { id: 0, text: "0011aabb" } }))?.op,
      ).toBe("erased");
  });
});
