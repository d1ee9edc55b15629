// decide() and apply() against a model of links written here, under random commands: alone, many in one transaction, racing,
// undone, and in a process that is killed. After each step rows, histories, counters and side tables agree, with one another and
// with the model. A failing run prints its seed: MODEL_SEED=123 bun test test/operations/model.test.ts

import { describe, expect, test } from "bun:test";
import { randomInt } from "node:crypto";
import { join } from "node:path";
import fc from "fast-check";
import type { Deadletter } from "../../src/app/assemble.ts";
import { open } from "../../src/app/open.ts";
import { DeadletterError } from "../../src/errors.ts";
import type { Command } from "../../src/model/command.ts";
import type { LinkRow } from "../../src/model/link.ts";
import { apply, transact } from "../../src/operations/apply.ts";
import { createLogger } from "../../src/runtime/logger.ts";
import { createStore, ENGINES, findFalsehoods, type TestStore } from "../support/harness.ts";

const RUNS = Number(process.env.MODEL_RUNS ?? 10);
const SEED = Number(process.env.MODEL_SEED ?? randomInt(2 ** 31));

/** What the model keeps of a link. */
interface Link {
  readonly id: number;
  readonly url: string;
  readonly title: string;
  readonly expires: string | null;
  readonly isActive: boolean;
  readonly version: number;
}

type Model = Map<string, Link>;

/** A wish names links by their codes; whether there is such a link, and with which id, depends on what came before. */
interface Wish {
  readonly kind: "create" | "update" | "delete" | "restore";
  readonly code: string;
  readonly url: string;
  readonly title: string | undefined;
  readonly expires: string | null | undefined;
  /** Whether it names the version there is, another, or none. */
  readonly expects: "any" | "right" | "wrong";
}

const wish: fc.Arbitrary<Wish> = fc.record({
  kind: fc.constantFrom("create", "create", "update", "update", "delete", "restore"),
  code: fc.constantFrom("one", "two", "three", "four", "five"),
  url: fc.constantFrom(
    "https://a.example/",
    "https://B.example./x",
    "http://192.0.2.1/",
    "https://\u00fc.example/",
    "ftp://no/",
  ),
  title: fc.constantFrom(undefined, "", "a title", "another"),
  expires: fc.constantFrom(undefined, null, "2090-01-01T00:00:00.000Z"),
  expects: fc.constantFrom("any", "any", "right", "wrong"),
});

/** Of one of the links there are, whichever: a change that is not refused. */
interface SmallChange {
  readonly which: number;
  readonly title: string | undefined;
}

type Step =
  | { readonly how: "alone" | "together" | "racing" | "undone"; readonly wishes: readonly Wish[] }
  | { readonly how: "several"; readonly changes: readonly SmallChange[] }
  | { readonly how: "killed"; readonly batches: readonly (readonly Wish[])[]; readonly after: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      how: fc.constant("alone" as const),
      wishes: fc.array(wish, { minLength: 1, maxLength: 1 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      how: fc.constantFrom("together" as const, "racing" as const, "undone" as const),
      wishes: fc.array(wish, { minLength: 2, maxLength: 6 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      how: fc.constant("several" as const),
      changes: fc.array(fc.record({ which: fc.nat(3), title: fc.constantFrom(undefined, "x", "y", "z") }), {
        minLength: 2,
        maxLength: 8,
      }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      how: fc.constant("killed" as const),
      batches: fc.array(fc.array(wish, { minLength: 1, maxLength: 3 }), { minLength: 3, maxLength: 8 }),
      after: fc.nat({ max: 4 }),
    }),
  },
);

const NO_SUCH_ID = 900_000;

function commandFor(model: Model, { kind, code, url, title, expires, expects }: Wish): Command {
  const link = model.get(code);
  const fields = {
    ...(title === undefined ? {} : { title }),
    ...(expires === undefined ? {} : { expires_at: expires }),
  };
  if (kind === "create") return { type: "link.create", short_code: code, original_url: url, ...fields };
  const right = link?.version ?? 1;
  const versions = expects === "any" ? {} : { if_version: [expects === "right" ? right : right + 7] };
  const about = { id: link?.id ?? NO_SUCH_ID, ...versions };
  if (kind === "update") return { type: "link.update", ...about, original_url: url, ...fields };
  return { type: `link.${kind}`, ...about };
}

/** What the command makes of the model, or the code of the refusal; `made` stands for the id the database draws. */
function expected(model: Model, command: Command, made: number): Model | string {
  const next = new Map(model);
  if (command.type === "link.create") {
    const { short_code = "", original_url: url, title = "", expires_at: expires = null } = command;
    // Decided without looking: that it is taken, the database says when all of them are written.
    next.set(model.has(short_code) ? `taken ${short_code}` : short_code, {
      id: made,
      url,
      title,
      expires,
      isActive: true,
      version: 1,
    });
    return next;
  }
  if (command.type !== "link.update" && command.type !== "link.delete" && command.type !== "link.restore")
    throw new Error(`the model knows no ${command.type}`);
  const [code, link] = [...model].find(([, { id }]) => id === command.id) ?? [];
  if (code === undefined || link === undefined) return "not_found";
  if (command.if_version && !command.if_version.includes(link.version)) return "precondition_failed";
  if (command.type === "link.update") {
    if (!link.isActive) return "not_found";
    const { original_url: url = link.url, title = link.title, expires_at: expires = link.expires } = command;
    const isSame = url === link.url && title === link.title && expires === link.expires;
    next.set(code, isSame ? link : { ...link, url, title, expires, version: link.version + 1 });
    return next;
  }
  const isActive = command.type === "link.restore";
  if (link.isActive === isActive) return "conflict";
  next.set(code, { ...link, isActive, version: link.version + 1 });
  return next;
}

/** All of them or none; what is wrong whatever it is about is found before anything else. */
function expectedTogether(model: Model, commands: readonly Command[]): Model | string {
  if (commands.some((command) => "original_url" in command && command.original_url?.startsWith("ftp")))
    return "bad_request";
  let next = model;
  for (const command of commands) {
    const after = expected(next, command, 0);
    if (typeof after === "string") return after;
    next = after;
  }
  return [...next.keys()].some((code) => code.startsWith("taken ")) ? "conflict" : next;
}

class Scene {
  readonly store: TestStore;
  deadletter: Deadletter;
  model: Model = new Map();

  constructor(store: TestStore, deadletter: Deadletter) {
    this.store = store;
    this.deadletter = deadletter;
  }

  async run(commands: readonly Command[]): Promise<string> {
    const { core, self } = this.deadletter;
    return codeOf(apply(core, self, commands));
  }

  /** What is stored, as the model would have it. */
  async read(): Promise<Model> {
    const rows = await this.store.query<LinkRow>("select * from urls order by id");
    return new Map(
      rows.map(({ short_code, id, original_url, title, expires_at_ms, is_active, version }) => [
        short_code,
        {
          id: Number(id),
          url: original_url,
          title,
          expires: expires_at_ms === null ? null : new Date(Number(expires_at_ms)).toISOString(),
          isActive: Number(is_active) === 1,
          version: Number(version),
        },
      ]),
    );
  }

  /** Rows, chains, folds, counters and side tables against one another, and the rows against the model. */
  async check(): Promise<void> {
    const stored = await this.read();
    expect([...stored].map(withoutId).sort(byCode)).toEqual([...this.model].map(withoutId).sort(byCode));
    this.model = stored;
    expect(await findFalsehoods(this.deadletter)).toEqual([]);
  }
}

function byCode(one: { readonly code: string }, other: { readonly code: string }): number {
  return one.code < other.code ? -1 : 1;
}

/** The model does not know which ids are drawn, nor in which order. */
function withoutId([code, { id: _, ...link }]: [string, Link]) {
  return { code, ...link };
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "ok";
  } catch (error) {
    if (error instanceof DeadletterError) return error.code;
    throw error;
  }
}

async function take(scene: Scene, { how, ...rest }: Step): Promise<void> {
  if ("batches" in rest) return takeKilled(scene, rest.batches, rest.after);
  const commands =
    "changes" in rest
      ? severalChanges(scene.model, rest.changes)
      : rest.wishes.map((each) => commandFor(scene.model, each));
  if (how === "racing") {
    await Promise.all(commands.map((command) => scene.run([command])));
    // Which order they came in is told by what is stored; that it could have happened, by the histories.
    scene.model = await scene.read();
  } else if (how === "undone") {
    const { core, self } = scene.deadletter;
    const undo = transact(core, self, async (work) => {
      await work.apply(commands.slice(0, 1));
      await work.apply(commands.slice(1));
      throw new DeadletterError("internal_error", "undone");
    });
    expect(await codeOf(undo)).not.toBe("ok");
  } else {
    const after = expectedTogether(scene.model, commands);
    expect(await scene.run(commands)).toBe(typeof after === "string" ? after : "ok");
    if (typeof after !== "string") scene.model = after;
  }
  await scene.check();
}

/** Changes that follow from one another, most of them of the same few links: a title, or the other activity than it has by then. */
function severalChanges(model: Model, changes: readonly SmallChange[]): Command[] {
  const links = [...model.values()].map(({ id, isActive }) => ({ id, isActive }));
  return changes.flatMap(({ which, title }): Command[] => {
    const link = links[which % Math.max(1, links.length)];
    if (!link) return [];
    if (title !== undefined && link.isActive) return [{ type: "link.update", id: link.id, title }];
    link.isActive = !link.isActive;
    return [{ type: link.isActive ? "link.restore" : "link.delete", id: link.id }];
  });
}

/** Kills the process after it has said so many times that it applied a batch: what it said holds, and whole batches alone. */
async function takeKilled(scene: Scene, batches: readonly (readonly Wish[])[], after: number): Promise<void> {
  const commands = batches.map((batch) => batch.map((each) => commandFor(scene.model, each)));
  const models: Model[] = [scene.model];
  for (const batch of commands) {
    const before = models.at(-1) ?? new Map();
    const next = expectedTogether(before, batch);
    models.push(typeof next === "string" ? before : next);
  }
  const child = Bun.spawn(
    [process.execPath, join(import.meta.dir, "../support/apply-process.ts"), JSON.stringify(commands)],
    {
      env: { PATH: process.env.PATH ?? "", ...scene.store.environment },
      stdout: "pipe",
      stderr: "ignore",
    },
  );
  let said = "";
  const decoder = new TextDecoder();
  for await (const chunk of child.stdout) {
    said += decoder.decode(chunk);
    if (said.split("\n").length > after + 2) break;
  }
  child.kill("SIGKILL");
  await child.exited;
  const acknowledged = Math.max(0, said.split("\n").length - 2);
  const stored = [...(await settled(scene))].map(withoutId).sort(byCode);
  const possible = models.slice(acknowledged).map((model) => [...model].map(withoutId).sort(byCode));
  expect(possible).toContainEqual(stored);
  scene.model = await scene.read();
  await scene.check();
}

/** What is stored once a database of its own has noticed that its client is gone. */
async function settled(scene: Scene): Promise<Model> {
  await scene.run([{ type: "link.restore", id: NO_SUCH_ID }]);
  for (;;) {
    const [busy] = await scene.store.query<{ count: number }>(
      scene.store.engine === "sqlite"
        ? "select 0 as count"
        : "select count(*) as count from pg_stat_activity where datname = current_database() and state <> 'idle' and pid <> pg_backend_pid()",
    );
    if (Number(busy?.count) === 0) return scene.read();
    await Bun.sleep(5);
  }
}

describe.each([...ENGINES])("links on %s", (engine) => {
  test(`are what the model says after every step (${RUNS} runs, seed ${SEED})`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 14 }), async (steps) => {
        const store = await createStore(engine);
        const deadletter = await open(store.config, { log: createLogger("silent"), via: "test" });
        const scene = new Scene(store, deadletter);
        try {
          for (const each of steps) await take(scene, each);
        } finally {
          await deadletter.close();
          store.remove();
        }
      }),
      { numRuns: RUNS, seed: SEED, endOnFailure: true },
    );
  }, 300_000);
});
