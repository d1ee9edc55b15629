// Keeps the house: which way imports run, how long files are, that every query is one on both engines.

import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import typescript, { type Node } from "typescript-5";
import { openStore } from "../src/app/open-store.ts";
import { COMMANDS } from "../src/cli/commands.ts";
import { LINK, LINK_HOSTS } from "../src/model/link.ts";
import { SUBJECTS } from "../src/model/subjects.ts";
import { migrate } from "../src/store/migrate.ts";
import * as changeQueries from "../src/store/queries/changes.ts";
import * as clickQueries from "../src/store/queries/clicks.ts";
import * as eventQueries from "../src/store/queries/events.ts";
import * as followerQueries from "../src/store/queries/followers.ts";
import * as hotLinkQueries from "../src/store/queries/hot-links.ts";
import * as idempotencyQueries from "../src/store/queries/idempotency.ts";
import * as keyQueries from "../src/store/queries/keys.ts";
import * as urlQueries from "../src/store/queries/links.ts";
import * as logQueries from "../src/store/queries/log.ts";
import * as logWrites from "../src/store/queries/log-writes.ts";
import * as schemaQueries from "../src/store/queries/schema.ts";
import * as sideTableQueries from "../src/store/queries/side-tables.ts";
import * as subjectQueries from "../src/store/queries/subjects.ts";
import * as userQueries from "../src/store/queries/users.ts";
import { SqliteConnection } from "../src/store/sqlite-connection.ts";
import type { Query, Tx } from "../src/store/store.ts";
import { createStore, ENGINES } from "./support/harness.ts";

const ROOT = join(import.meta.dir, "..");
/** Of a source file, tables apart; of a test file; of a function, what is nested in it not counted. */
const MAX_LINES = { source: 300, test: 500, function: 80 };
/** One entry a setting; one line a route. */
const TABLES = { files: ["src/config/settings.ts"], functions: ["createApi"] };

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
    const isKnown = (words: string) =>
      COMMANDS.some(
        ({ name }) => `${words} `.startsWith(`${name} `) || (name.startsWith(`${words} `) && !words.includes(" ")),
      );
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
    const adapters = ["src/store/postgres.ts", "src/store/postgres-connection.ts", "src/store/sqlite-connection.ts"];
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

/** A call of each query with everything it can be asked for at once. */
const bytes = new Uint8Array(32);
const link = {
  id: 1,
  short_code: "abc",
  original_url: "https://a.b/",
  title: "",
  is_active: 1,
  expires_at_ms: null,
  user_id: null,
  created_at_ms: 0,
  updated_at_ms: 0,
  version: 1,
  head: bytes,
};
/** With a value for every column that any kind of subject has. */
const row = {
  ...link,
  username: "a",
  email: "a@b",
  name: "k",
  role: "reader",
  key_hash: "h",
  revoked_at_ms: null,
  epoch: 1,
  statement: "s",
};
const event = {
  subject_type: "url",
  subject_id: 1,
  version: 1,
  op: "created",
  at_ms: 0,
  leaf: bytes,
  leaf_hash: bytes,
  tag: bytes,
  actor: "",
  state: "",
  user_id: null,
} as const;
const replica = { name: "a", host: "h", pid: 1, epoch: 0, next_index: 0, renewals: 1, outage_ms: 0, seen_at_ms: 0 };
const clickRange = { urlId: 1, fromHour: 0, toHour: 1, limit: 1 };
const subject = { type: "url", id: 1 } as const;
const IDEMPOTENCY_ROW = { key_hash: "a", digest: "b", subject_type: "url", subject_id: 1, version: 1, at_ms: 0 };
const CALLS: Record<string, (tx: Tx) => Query<unknown> | Query<unknown>[]> = {
  findLinkById: (tx) => urlQueries.findLinkById(tx, 1),
  findLinkByCode: (tx) => urlQueries.findLinkByCode(tx, "abc"),
  listLinks: (tx) => [
    urlQueries.listLinks(tx, { limit: 1, offset: 0 }),
    urlQueries.listLinks(tx, {
      userId: 1,
      isActive: true,
      search: "x",
      before: { createdAtMs: 1, id: 1 },
      limit: 1,
      offset: 1,
    }),
    urlQueries.listLinks(tx, { isActive: false, limit: 1, offset: 0 }),
  ],
  lockSubjects: (tx) =>
    SUBJECTS.map((subject) => subjectQueries.lockSubjects(tx, subject, { ids: [1, 2], names: ["a", "b"] })),
  lockSubjectsAfter: (tx) => SUBJECTS.map((subject) => subjectQueries.lockSubjectsAfter(tx, subject, 0, 1)),
  findSubjects: (tx) => SUBJECTS.map((subject) => subjectQueries.findSubjects(tx, subject, [1, 2])),
  listSubjects: (tx) => SUBJECTS.map((subject) => subjectQueries.listSubjects(tx, subject, 0, 1)),
  countSubjects: (tx) => SUBJECTS.map((subject) => subjectQueries.countSubjects(tx, subject)),
  insertSubjects: (tx) => SUBJECTS.map((subject) => subjectQueries.insertSubjects(tx, subject, [row, row])),
  updateSubjects: (tx) => SUBJECTS.map((subject) => subjectQueries.updateSubjects(tx, subject, [row])),
  listTaken: (tx) =>
    SUBJECTS.flatMap((subject) =>
      Object.values(subject.uniques).map((unique) => subjectQueries.listTaken(tx, subject, unique, ["a", "b"])),
    ),
  writeInOne: (tx) =>
    tx.takesWritesInOne
      ? [undefined, [1, 2]].map((keyIds) =>
          changeQueries.writeInOne(tx, [event], 1, {
            parts: [subjectQueries.insertSubjects(tx, LINK, [row])],
            keyIds,
          }),
        )
      : [],
  insertSideRows: (tx) => [sideTableQueries.insertSideRows(tx, LINK_HOSTS, [{ url_id: 1, host: "a.b" }])],
  deleteSideRows: (tx) => sideTableQueries.deleteSideRows(tx, LINK_HOSTS, [1, 2]),
  listSideRows: (tx) => sideTableQueries.listSideRows(tx, LINK_HOSTS, [1, 2]),
  countSideRows: (tx) => sideTableQueries.countSideRows(tx, LINK_HOSTS),
  deleteStraySideRows: (tx) => sideTableQueries.deleteStraySideRows(tx, LINK_HOSTS, "urls"),
  completeIfEmpty: (tx) => sideTableQueries.completeIfEmpty(tx),
  readSideTables: (tx) => sideTableQueries.readSideTables(tx),
  lockSideTable: (tx) => sideTableQueries.lockSideTable(tx, LINK_HOSTS),
  listEarlierRequests: (tx) => idempotencyQueries.listEarlierRequests(tx, ["a", "b"]),
  insertIdempotencyKeys: (tx) => idempotencyQueries.insertIdempotencyKeys(tx, [{ ...IDEMPOTENCY_ROW }]),
  deleteIdempotencyKeys: (tx) => idempotencyQueries.deleteIdempotencyKeys(tx, ["a"]),
  deleteIdempotencyKeysBefore: (tx) => idempotencyQueries.deleteIdempotencyKeysBefore(tx, 1, 1),
  updateSideTable: (tx) => sideTableQueries.updateSideTable(tx, { name: "link_hosts", through_id: 1, is_complete: 0 }),
  lockKeys: (tx) => [
    keyQueries.lockKeys(tx, { ids: [], userIds: [], withAdmins: false }),
    keyQueries.lockKeys(tx, { ids: [1], userIds: [1, 2], withAdmins: true }),
  ],
  readStandings: (tx) => [keyQueries.readStandings(tx, []), keyQueries.readStandings(tx, [1, 2])],
  insertEvents: (tx) => eventQueries.insertEvents(tx, [event, event]),
  queueEvents: (tx) => eventQueries.queueEvents(tx, [event, { ...event, version: 2 }], 1),
  countEvents: (tx) => eventQueries.countEvents(tx),
  listFirstEvents: (tx) => eventQueries.listFirstEvents(tx, "url", [1, 2]),
  readGeneration: (tx) => schemaQueries.readGeneration(tx),
  updateGeneration: (tx) => schemaQueries.updateGeneration(tx, 1),
  findClicks: (tx) => clickQueries.findClicks(tx, 1),
  recordBatch: (tx) => clickQueries.recordBatch(tx, "b"),
  forgetBatches: (tx) => clickQueries.forgetBatches(tx, ["a", "b"]),
  addClickHours: (tx) =>
    clickQueries.addClickHours(tx, [{ url_id: 1, hour: 1, kind: "click", device: "d", referrer: "", clicks: 1 }]),
  addClickTotals: (tx) => clickQueries.addClickTotals(tx, [{ url_id: 1, clicks: 1 }]),
  addToClickSum: (tx) => clickQueries.addToClickSum(tx, 1),
  sumClicksByTime: (tx) => [
    clickQueries.sumClicksByTime(tx, clickRange, 24),
    clickQueries.sumClicksByTime(tx, clickRange, 1),
  ],
  sumClicksByLabel: (tx) => [
    clickQueries.sumClicksByLabel(tx, clickRange, "referrer"),
    clickQueries.sumClicksByLabel(tx, clickRange, "device"),
  ],
  deleteOldHours: (tx) => clickQueries.deleteOldHours(tx, 1, 1),
  listHotLinks: (tx) => hotLinkQueries.listHotLinks(tx, 1),
  nameHotLinks: (tx) => hotLinkQueries.nameHotLinks(tx, [{ url_id: 1, used_at_ms: 1 }], 1),
  forgetHotLinks: (tx) => hotLinkQueries.forgetHotLinks(tx, 1),
  findUser: (tx) => userQueries.findUser(tx, 1),
  listUsers: (tx) => userQueries.listUsers(tx, { afterId: 0, limit: 1, offset: 0 }),
  listKeysOf: (tx) => keyQueries.listKeysOf(tx, 1),
  findAnyAdminKey: (tx) => keyQueries.findAnyAdminKey(tx),
  findKeyByHash: (tx) => keyQueries.findKeyByHash(tx, "h"),
  listEvents: (tx) => [
    eventQueries.listEvents(tx, { limit: 1, offset: 0 }),
    eventQueries.listEvents(tx, {
      urlId: 1,
      userId: 1,
      type: "created",
      sinceMs: 0,
      untilMs: 1,
      requestId: "r",
      before: { atMs: 1, id: 1 },
      limit: 1,
      offset: 1,
    }),
  ],
  findEventNamed: (tx) => eventQueries.findEventNamed(tx, { subject_type: "url", subject_id: 1, version: 1 }),
  findEvent: (tx) => eventQueries.findEvent(tx, 1),
  listHistory: (tx) => eventQueries.listHistory(tx, subject, { afterVersion: 0, limit: 1, offset: 0 }),
  findEventAsOf: (tx) => eventQueries.findEventAsOf(tx, subject, 1),
  listChains: (tx) => eventQueries.listChains(tx, "url", { subjectId: 0, version: 0 }, 1),
  listOldestAndNewest: (tx) => eventQueries.listOldestAndNewest(tx, 1),
  listActorsToErase: (tx) => eventQueries.listActorsToErase(tx, 1, 1),
  listStatesToErase: (tx) => eventQueries.listStatesToErase(tx, { type: "user", id: 1, throughVersion: 1 }, 1),
  eraseActors: (tx) => eventQueries.eraseActors(tx, [1]),
  eraseStates: (tx) => eventQueries.eraseStates(tx, [1]),
  readOldestPending: (tx) => logQueries.readOldestPending(tx),
  lockLogHead: (tx) => logQueries.lockLogHead(tx),
  readLogHead: (tx) => logQueries.readLogHead(tx),
  readHeadAndQuarantine: (tx) => logQueries.readHeadAndQuarantine(tx),
  updateLogHead: (tx) => logWrites.updateLogHead(tx, { size: 1, note: "n", at_ms: 0 }),
  peekLog: (tx) => logQueries.peekLog(tx, 0),
  insertCursor: (tx) => [true, false].map((isAtEnd) => followerQueries.insertCursor(tx, "c", isAtEnd)),
  takeCursor: (tx) => followerQueries.takeCursor(tx, { name: "c", holder: "h", lease_until_ms: 1, now_ms: 1 }),
  moveCursor: (tx) => {
    const place = { epoch: 0, next_index: 0 };
    return followerQueries.moveCursor(tx, {
      name: "c",
      fence: 1,
      from: place,
      to: place,
      last_hash: bytes,
      lease_until_ms: 1,
    });
  },
  freeCursor: (tx) => followerQueries.freeCursor(tx, "c", "h"),
  putReplica: (tx) => followerQueries.putReplica(tx, replica),
  listReplicas: (tx) => followerQueries.listReplicas(tx, 1),
  deleteReplica: (tx) => [followerQueries.deleteReplica(tx, replica)],
  renewCursor: (tx) => [followerQueries.renewCursor(tx, { name: "a", fence: 1, lease_until_ms: 1 })],
  readEpoch: (tx) => logQueries.readEpoch(tx),
  listLogStates: (tx) => logQueries.listLogStates(tx),
  lookAtLog: (tx) => logQueries.lookAtLog(tx, { afterQueueId: 0, next: 1 }),
  listPending: (tx) => logQueries.listPending(tx, 0, 1),
  insertLeaves: (tx) => logWrites.insertLeaves(tx, [{ idx: 0, event_id: 1, leaf_hash: bytes }]),
  insertNodes: (tx) => logWrites.insertNodes(tx, [{ level: 1, idx: 0, hash: bytes }]),
  dequeue: (tx) => logWrites.dequeue(tx, [1, 2]),
  quarantine: (tx) => logWrites.quarantine(tx, [{ event_id: 1, reason: "r", at_ms: 0 }]),
  listQuarantined: (tx) => logQueries.listQuarantined(tx, 1),
  requeueQuarantined: (tx) => logQueries.requeueQuarantined(tx, 1),
  clearQuarantine: (tx) => logQueries.clearQuarantine(tx),
  listForgotten: (tx) => logQueries.listForgotten(tx, 0, 1, 1),
  enqueue: (tx) => logQueries.enqueue(tx, [1], 1),
  findNewestEventId: (tx) => logQueries.findNewestEventId(tx),
  findEventIdAt: (tx) => logQueries.findEventIdAt(tx, 0),
  listLeafHashes: (tx) => logQueries.listLeafHashes(tx, 0, 1),
  listNodeHashes: (tx) => logQueries.listNodeHashes(tx, 1, 0, 1),
  listEntries: (tx) => logQueries.listEntries(tx, 0, 1),
  selectTail: (tx) => logQueries.selectTail(tx, 0, 1),
  listLoggedEvents: (tx) => logQueries.listLoggedEvents(tx, 0, 1),
  findLeaf: (tx) => logQueries.findLeaf(tx, 1),
  listStanding: (tx) => logQueries.listStanding(tx, [event, { ...event, version: 2 }]),
  countLog: (tx) => logQueries.countLog(tx),
  listOrphanLeaves: (tx) => logQueries.listOrphanLeaves(tx, 1),
  listOrphansBeforeLog: (tx) => logQueries.listOrphansBeforeLog(tx, 1),
  readCounters: (tx) => eventQueries.readCounters(tx),
  listApplied: (tx) => schemaQueries.listApplied(tx),
  recordMigration: (tx) =>
    schemaQueries.recordMigration(tx, { version: 1, name: "n", checksum: "c", applied_at_ms: 0 }),
  ping: (tx) => schemaQueries.ping(tx),
};
/** Run by every test that opens a store: DDL cannot be explained, and the other one runs one of two queries above. */
const RUN_ELSEWHERE = [
  "createSchemaTable",
  "lookUpLink",
  "listTail",
  "areEvents",
  "writeChanges",
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
      await explainAll(connection.transaction());
      connection.close();
    }
    await opened.close();
    store.remove();
  });
});
