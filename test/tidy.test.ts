// Keeps the house: which way imports run, how long files are, that every query is one on both engines.

import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import typescript, { type Node } from "typescript-5";
import { openStore } from "../src/app/open-store.ts";
import { COMMANDS } from "../src/cli/commands.ts";
import { TOPICS } from "../src/cli/help.ts";
import { migrate } from "../src/store/migrate.ts";
import { SqliteConnection } from "../src/store/sqlite-connection.ts";
import { sqliteTransaction } from "../src/store/sqlite-tag.ts";
import type { Tx } from "../src/store/store.ts";
import { CALLS } from "./support/calls.ts";
import { createStore, ENGINES } from "./support/harness.ts";

const ROOT = join(import.meta.dir, "..");
/** Of a source file, tables apart; of a test file; of a function, what is nested in it not counted. */
const MAX_LINES = { source: 300, test: 500, function: 80 };
/** One entry a setting; one line a route. */
const TABLES = { files: ["src/config/settings.ts", "src/limits.ts"], functions: ["createApi"] };

/** Top to bottom: a file imports from its own layer and from those below it. Anybody may import the last one. */
const LAYERS: readonly (readonly string[])[] = [
  ["src/main.ts"],
  ["src/cli/"],
  ["src/workers/"],
  ["src/app/"],
  ["src/http/"],
  ["src/importers/"],
  ["src/operations/"],
  ["src/redirect/", "src/clicks/", "src/alerts/"],
  ["src/audit/"],
  ["src/store/"],
  ["src/tlog/"],
  ["src/monitoring/", "src/metrics/", "src/config/"],
  ["src/model/"],
  ["src/runtime/"],
  ["src/errors.ts", "src/limits.ts"],
];

function sources(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(folder, name));
}

/** Also of a layer itself. */
function layerOf(path: string): number {
  return LAYERS.findIndex((members) =>
    members.some((member) => path === member || (member.endsWith("/") && path.startsWith(member))),
  );
}

function importsOf(path: string): string[] {
  const found = [...read(path).matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)].map(([, target = ""]) => target);
  return found
    .filter((target) => target.endsWith(".ts"))
    .map((target) => relative(ROOT, resolve(ROOT, dirname(path), target)));
}

function read(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

describe("imports", () => {
  test("every source file has a layer", () => {
    expect(sources("src").filter((path) => layerOf(path) === -1 && !path.endsWith(".d.ts"))).toEqual([]);
  });

  test("run one way, down the layers", () => {
    const upward = sources("src").flatMap((path) =>
      importsOf(path)
        .filter((target) => layerOf(target) < layerOf(path))
        .map((target) => `${path} imports ${target}`),
    );
    expect(upward).toEqual([]);
  });

  test("of the front doors name no statement, and those of http/ nothing of the store", () => {
    const isAbove = (path: string) => layerOf(path) < layerOf("src/operations/");
    const found = sources("src").flatMap((path) =>
      importsOf(path)
        .filter(
          (target) =>
            (isAbove(path) && target.startsWith("src/store/queries/")) ||
            (path.startsWith("src/http/") && target.startsWith("src/store/")),
        )
        .map((target) => `${path} imports ${target}`),
    );
    expect(found).toEqual([]);
  });

  test("never run in a circle", () => {
    const circles: string[] = [];
    const walk = (path: string, trail: readonly string[]) => {
      const start = trail.indexOf(path);
      if (start !== -1) circles.push([...trail.slice(start), path].join(" -> "));
      else if (!seen.has(path)) {
        for (const target of importsOf(path)) walk(target, [...trail, path]);
        seen.add(path);
      }
    };
    const seen = new Set<string>();
    for (const path of sources("src")) walk(path, []);
    expect(circles).toEqual([]);
  });
});

describe("files", () => {
  const all = ["src", "test", "build", "bench"].flatMap(sources);

  test(`are at most ${MAX_LINES.source} lines, tables apart, and tests ${MAX_LINES.test}`, () => {
    const mostOf = (path: string) => (path.startsWith("test/") ? MAX_LINES.test : MAX_LINES.source);
    const long = all
      .map((path) => [path, read(path).split("\n").length - 1] as const)
      .filter(([path, lines]) => lines > mostOf(path) && !TABLES.files.includes(path));
    expect(long).toEqual([]);
  });

  test(`have no function of more than ${MAX_LINES.function} lines, tables apart`, () => {
    const long = sources("src").flatMap((path) =>
      functionsOf(path)
        .filter(({ name, lines }) => lines > MAX_LINES.function && !TABLES.functions.includes(name))
        .map(({ name, lines }) => `${path}: ${name} has ${lines}`),
    );
    expect(long).toEqual([]);
  });

  test("that people read name no command that there is not", () => {
    const docs = [
      "README.md",
      "CHANGELOG.md",
      "CONTRIBUTING.md",
      ...readdirSync(join(ROOT, "docs")).map((name) => `docs/${name}`),
    ];
    const isKnown = (words: string): boolean => {
      if (words === "help") return true;
      if (words.startsWith("help ")) return words.slice(5) in TOPICS || isKnown(words.slice(5));
      const names = COMMANDS.flatMap(({ name, aliases = [] }) => [name, ...aliases]);
      return names.some(
        (name) => `${words} `.startsWith(`${name} `) || (name.startsWith(`${words} `) && !words.includes(" ")),
      );
    };
    const unknown = docs.flatMap((path) =>
      commandsIn(read(path))
        .filter((words) => !isKnown(words))
        .map((words) => `${path}: deadletter ${words}`),
    );
    expect(unknown).toEqual([]);
  });

  test("of the source open with what they own", () => {
    expect(sources("src").filter((path) => !read(path).startsWith("// "))).toEqual([]);
  });

  test("above the operations hold no SQL", () => {
    const above = sources("src").filter((path) => layerOf(path) < layerOf("src/operations/"));
    expect(above.filter((path) => /\b(?:sql|tx)(?:<[^`]*>)?`/.test(read(path)))).toEqual([]);
  });

  test("that take a value for one of another type without proof are the store adapters", () => {
    const adapters = ["src/store/postgres.ts", "src/store/postgres-connection.ts", "src/store/sqlite-tag.ts"];
    expect(sources("src").filter((path) => read(path).includes("as unknown as") && !adapters.includes(path))).toEqual(
      [],
    );
  });

  const beside = (allowed: readonly string[], own: RegExp) =>
    sources("src")
      .filter((path) => !path.startsWith("src/runtime/") && !allowed.includes(path))
      .flatMap((path) => [...read(path).matchAll(own)].map(([what]) => `${path}: ${what}`));

  test("outside runtime/ take the time, timers and chance from what they are given", () => {
    const time = /\bDate\.now\b|\bnew Date\(\)|\bperformance\.now\b|\bBun\.sleep\b|"node:timers/g;
    const timers = /\b(?:set|clear)(?:Timeout|Interval|Immediate)\(/g;
    const chance =
      /\brandomUUID\b|\bMath\.random\b|\bgetRandomValues\b|import \{[^}]*\brandom\w+[^}]*\} from "node:crypto"/g;
    expect([...beside([], time), ...beside([], timers), ...beside([], chance)]).toEqual([]);
  });

  test("outside runtime/ write files through what they are given", () => {
    // An export's folder is its reader's own, and is checked by its own signature.
    expect(
      beside(["src/audit/export.ts"], /\b(?:write|append|rename|link|unlink|ftruncate|copyFile)\w*Sync\(/g),
    ).toEqual([]);
  });

  test("of tlog/ import nothing from outside it and nothing of Bun's or Node's: a browser runs them", () => {
    const outside = sources("src/tlog").flatMap((path) =>
      [...read(path).matchAll(/from "(?!\.\/)([^"]+)"|\b(?:Bun|Buffer|process|require)\b[.(]/g)].map(
        ([what]) => `${path}: ${what}`,
      ),
    );
    expect(outside).toEqual([]);
  });

  test("of the two engines' migrations have the same names", () => {
    const [postgres, sqlite] = ["postgres", "sqlite"].map((engine) =>
      readdirSync(join(ROOT, "migrations", engine)).sort(),
    );
    expect(postgres).toEqual(sqlite ?? []);
  });
});

/** The first two words of each in a block of code, or between backticks. */
function commandsIn(text: string): string[] {
  const blocks = [...text.matchAll(/^```\w*\n([\s\S]*?)^```/gm)].flatMap(([, block = ""]) => block.split("\n"));
  const inline = [...text.matchAll(/`(deadletter [^`]+)`/g)].map(([, code = ""]) => code);
  return [...blocks, ...inline].flatMap((code) => {
    const [, words] = /^(?:\w+=\S+ )*deadletter ([a-z][a-z-]*(?: [a-z][a-z-]*)?)/.exec(code.trim()) ?? [];
    return words === undefined ? [] : [words];
  });
}

interface FunctionLength {
  readonly name: string;
  readonly lines: number;
}

function functionsOf(path: string): FunctionLength[] {
  const file = typescript.createSourceFile(path, read(path), typescript.ScriptTarget.Latest, true);
  const lineOf = (position: number) => file.getLineAndCharacterOfPosition(position).line;
  const linesOf = (node: Node) => lineOf(node.end) - lineOf(node.getStart()) + 1;
  const isFunction = (node: Node) => typescript.isFunctionLike(node) && "body" in node && linesOf(node) > 2;
  const within = (node: Node): Node[] => {
    const found: Node[] = [];
    const visit = (child: Node): void => {
      if (isFunction(child)) found.push(child);
      else typescript.forEachChild(child, visit);
    };
    typescript.forEachChild(node, visit);
    return found;
  };
  const measured = (node: Node): FunctionLength[] => {
    const nested = within(node);
    const own = linesOf(node) - nested.reduce((sum, each) => sum + linesOf(each), 0);
    const name = (node as { name?: Node }).name?.getText() ?? "a function";
    return [{ name, lines: own }, ...nested.flatMap(measured)];
  };
  return within(file).flatMap(measured);
}

/** Run by every test that opens a store: DDL cannot be explained, and the other one runs one of two queries above. */
const RUN_ELSEWHERE = [
  "createSchemaTable",
  "lookUpLink",
  "listTail",
  "areEvents",
  "makeWrites",
  "isComplete",
  "eventColumns",
  "selectWithPrevious",
];

describe("queries", () => {
  test("are all in the list of calls", async () => {
    const modules = await Promise.all(sources("src/store/queries").map((path) => import(join(ROOT, path))));
    const exported = modules.flatMap((module: object) => Object.keys(module));
    expect(exported.filter((name) => !RUN_ELSEWHERE.includes(name)).sort()).toEqual(Object.keys(CALLS).sort());
  });

  test.each([...ENGINES])("prepare on %s", async (engine) => {
    const store = await createStore(engine);
    const opened = await openStore(store.config);
    await migrate(opened, { nowMs: 0 });
    const explainAll = async (tx: Tx) => {
      for (const [name, call] of Object.entries(CALLS)) {
        for (const query of [call(tx)].flat())
          expect([name, Array.isArray(await tx`explain ${query}`)]).toEqual([name, true]);
      }
    };
    if (engine === "postgres") await opened.begin(explainAll);
    // EXPLAIN leaves its statement unfinished in Bun, and so a transaction of SQLite's: outside of one it does no harm.
    else {
      const connection = new SqliteConnection(opened.place, { readonly: true });
      await explainAll(sqliteTransaction(connection));
      connection.close();
    }
    await opened.close();
    store.remove();
  });
});
