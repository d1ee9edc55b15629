// The ways of lying that docs/audit-log.md promises to catch: each mounted by somebody who owns the database, with its guards
// off and everything made to look as right as can be without the log key.

import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import type { Deadletter } from "../../src/app/assemble.ts";
import { checkpointPath } from "../../src/app/audit.ts";
import { disclose, sealEvent } from "../../src/audit/event.ts";
import { createLogKey } from "../../src/audit/log-key.ts";
import type { EventRow } from "../../src/model/event.ts";
import { openCheckpoint } from "../../src/tlog/checkpoint.ts";
import {
  type Engine,
  findFalsehoods,
  startServer,
  TEST_LOG_KEY,
  type TestServer,
  type TestStore,
} from "../support/harness.ts";

/** Who attacks a store does not stop at a log that is refused. */
const ALLOWED = { DEADLETTER_REFUSED_WRITES: "allow" };

/** One store under attack. `server` may be another after a restart. */
export class Scene {
  server: TestServer;
  readonly store: TestStore;
  /** The checkpoint that somebody outside kept before the attack. */
  kept = "";

  constructor(store: TestStore, server: TestServer) {
    this.store = store;
    this.server = server;
  }

  static async open(store: TestStore): Promise<Scene> {
    const scene = new Scene(store, await startServer(store, ALLOWED));
    await scene.makeLink("victim", 3);
    await scene.makeLink("bystander", 1);
    scene.kept = await scene.server.sequence();
    return scene;
  }

  /** A link (id 1, 2, ...) with so many events. */
  async makeLink(code: string, versions: number): Promise<void> {
    await this.server.call("POST", "/urls", { original_url: "https://a.b/", short_code: code });
    for (let version = 2; version <= versions; version++)
      await this.server.call("PUT", `/urls/${code}`, { title: `version ${version}` });
  }

  lie(statement: string): Promise<void> {
    return this.store.tamper(statement, { guardsOff: true });
  }

  async event(version: number, code = "victim"): Promise<EventRow & { log_index: number | null }> {
    const [row] = await this.store.query<EventRow & { log_index: number | null }>(
      `select e.*, l.idx as log_index from events e left join log_leaf l on l.event_id = e.id
       where e.subject_type = 'url' and e.version = ${version}
         and e.subject_id = (select id from urls where short_code = '${code}')`,
    );
    if (!row) throw new Error(`${code} has no version ${version}`);
    return { ...row, leaf_hash: new Uint8Array(row.leaf_hash) };
  }

  /** Everything about an event but its tag, whose key the liar does not have. */
  forge(version: number, previousHash: Uint8Array, subjectId: number, title = "forged") {
    const key = createLogKey(TEST_LOG_KEY.origin, randomBytes(32));
    const atMs = Date.now();
    const at = new Date(atMs).toISOString();
    const actor = { user_id: this.server.adminId, key_id: 1, via: "http", request_id: null, reason: null };
    const state = {
      id: subjectId,
      short_code: "victim",
      original_url: "https://a.b/",
      title,
      is_active: true,
      expires_at: null,
      user_id: this.server.adminId,
      created_at: at,
      updated_at: at,
      version,
    };
    const event = { subjectType: "url", subjectId, version, op: "updated", atMs, previousHash, actor, state } as const;
    return sealEvent(key, event, randomBytes);
  }

  /** Writes a forged event and the subject's row that goes with it. */
  async insertForged(): Promise<number> {
    const last = await this.event(3);
    const event = this.forge(4, last.leaf_hash, last.subject_id);
    const { literal } = this.store;
    await this.lie(
      `insert into events (subject_type, subject_id, version, op, at_ms, leaf, leaf_hash, tag, actor, state, user_id)
       values ('url', ${event.subject_id}, 4, 'updated', ${event.at_ms}, ${literal(event.leaf)}, ${literal(event.leaf_hash)},
               ${literal(event.tag)}, '${event.actor}', '${event.state}', ${event.user_id})`,
    );
    await this.lie(
      `update urls set title = 'forged', version = 4, updated_at_ms = ${event.at_ms}, head = ${literal(event.leaf_hash)}
       where id = ${event.subject_id}`,
    );
    return (await this.event(4)).id;
  }

  /** Puts the victim's row back to what an earlier event says. */
  async rewind(version: number): Promise<void> {
    const { leaf_hash, at_ms } = await this.event(version);
    await this.lie(
      `update urls set version = ${version}, title = 'version ${version}', updated_at_ms = ${at_ms},
                       head = ${this.store.literal(leaf_hash)} where short_code = 'victim'`,
    );
  }

  async restart(): Promise<void> {
    const { adminKey, adminId } = this.server;
    await this.server.close();
    const server = await startServer(this.store, ALLOWED);
    const call: TestServer["call"] = (method, path, body, options) =>
      server.call(method, path, body, { key: adminKey, ...options });
    this.server = { ...server, adminKey, adminId, call };
  }

  /** Replaces the database, as a restored backup does; what lies beside it stays. */
  async backUp(): Promise<() => Promise<void>> {
    await this.server.close();
    const restore = await this.store.backUp();
    await this.restart();
    return async () => {
      await this.server.close();
      await restore();
      await this.restart();
    };
  }

  /** What this host remembers of the log, gone. */
  forgetCheckpoint(): void {
    rmSync(checkpointPath(this.server.deadletter.config), { force: true });
  }
}

/** What looks, and the words in which it says what it has found. */
export type Check = (scene: Scene) => Promise<string[]>;

export const verify: Check = async ({ server }) =>
  (await findFalsehoods(server.deadletter)).map(({ subject, detail }) => `${subject}: ${detail}`);

export const verifyWithKeptCheckpoint: Check = async ({ server, kept }) => {
  const saved = [{ place: "kept", checkpoint: openCheckpoint(kept, TEST_LOG_KEY) }];
  return (await findFalsehoods(server.deadletter, saved)).map(({ subject, detail }) => `${subject}: ${detail}`);
};

/** The sequencer that has been running all the time, at its minute's recheck: what it refuses or keeps out. */
export const sequencer: Check = async ({ server }) => {
  const before = await alarms(server);
  const refusals: string[] = [];
  const look = async () => {
    await server.recheck();
    await server.sequence();
  };
  await look().catch((error: Error) => refusals.push(error.message));
  return [...refusals, ...(await alarms(server)).slice(before.length)];
};

/** The minute's sweep, and the sequencing of what it found. */
export const sweep: Check = async ({ server }) => {
  const before = await alarms(server);
  await server.recheck();
  return (await alarms(server)).slice(before.length);
};

export const ownWriteWatch: Check = async ({ server }) => {
  const before = await alarms(server);
  await server.deadletter.auditLog.ownWrites.check(0);
  return (await alarms(server)).slice(before.length);
};

async function alarms(server: TestServer): Promise<string[]> {
  await server.deadletter.service.log.flush();
  return server
    .logLines()
    .filter((entry) => "alarm" in entry)
    .map((entry) => `${String(entry.alarm)}: ${String(entry.msg)}`);
}

export interface Attack {
  readonly name: string;
  readonly mount: (scene: Scene, engine: Engine) => Promise<void>;
  /** Who catches it, by what the documentation calls it, and words from what it says. */
  readonly caught: readonly { readonly by: string; readonly check: Check; readonly says: string }[];
}

const inVerify = (says: string) => ({ by: "`verify`", check: verify, says });
const inSequencer = (says: string) => ({ by: "the sequencer, within a minute", check: sequencer, says });

export const ATTACKS: readonly Attack[] = [
  {
    name: "Edit a row without an event",
    mount: (scene) => scene.lie("update urls set original_url = 'https://evil.example/' where short_code = 'victim'"),
    caught: [inVerify("original_url is not what its history says")],
  },
  {
    name: "Delete a row",
    mount: (scene) => scene.lie("delete from urls where short_code = 'victim'"),
    caught: [inVerify("has a history, but its row is gone")],
  },
  {
    name: "Edit who did it (the actor)",
    mount: async (scene) => {
      const { id } = await scene.event(2);
      await scene.lie(`update events set actor = replace(actor, '"via":"http"', '"via":"cron"') where id = ${id}`);
    },
    caught: [inVerify("a disclosure does not match its digest in the leaf")],
  },
  {
    name: "Edit what it became (the state), and the row to match",
    mount: async (scene) => {
      const { id } = await scene.event(3);
      await scene.lie(
        `update events set state = replace(state, 'https://a.b/', 'https://evil.example/') where id = ${id}`,
      );
      await scene.lie("update urls set original_url = 'https://evil.example/' where short_code = 'victim'");
    },
    caught: [inVerify("a disclosure does not match its digest in the leaf")],
  },
  {
    name: "Rewrite an event whole, leaf and hash, but not the log's entry",
    mount: (scene) => rewriteLast(scene, false),
    caught: [inVerify("of the log is another"), inVerify("admission tag is false")],
  },
  {
    name: "Rewrite an event whole, and the log's entry with it",
    mount: (scene) => rewriteLast(scene, true),
    caught: [inVerify("do not make the root that was signed"), inSequencer("does not have the root that was signed")],
  },
  {
    name: "Delete an event from the middle, and its entry in the log",
    mount: async (scene) => {
      const { id } = await scene.event(2);
      await scene.lie(`delete from log_leaf where event_id = ${id}`);
      await scene.lie(`delete from events where id = ${id}`);
    },
    caught: [inVerify("version 2 is missing from its history"), inVerify("is missing")],
  },
  {
    name: "Delete the newest event and its entry, and take the row back",
    mount: async (scene) => {
      await scene.makeLink("victim2", 1);
      await scene.server.call("PUT", "/urls/victim", { title: "version 4" });
      await scene.server.sequence();
      const { id } = await scene.event(4);
      await scene.rewind(3);
      await scene.lie(`delete from log_leaf where event_id = ${id}`);
      await scene.lie(`delete from events where id = ${id}`);
      await scene.lie("update counters set value = value - 1 where name = 'events:url:updated' and value > 0");
    },
    caught: [inVerify("entries, but was signed at"), inSequencer("hashes of tile")],
  },
  {
    name: "Reorder the log",
    mount: async (scene) => {
      const [one, two] = [await scene.event(1, "bystander"), await scene.event(3)];
      const places: [number, number | null][] = [
        [one.id, -1],
        [two.id, one.log_index],
        [one.id, two.log_index],
      ];
      for (const [id, index] of places) await scene.lie(`update log_leaf set idx = ${index} where event_id = ${id}`);
    },
    caught: [inVerify("do not make the root that was signed"), inSequencer("does not have the root that was signed")],
  },
  {
    name: "Restore an old backup",
    mount: async (scene) => {
      const restore = await scene.backUp();
      await scene.makeLink("regretted", 2);
      scene.kept = await scene.server.sequence();
      await restore();
    },
    caught: [
      inSequencer("the database was restored from an older state"),
      { by: "`verify --checkpoint`", check: verifyWithKeptCheckpoint, says: "it was restored from an older state" },
    ],
  },
  {
    name: "Forge an event by SQL",
    mount: async (scene) => {
      const id = await scene.insertForged();
      await scene.lie(`insert into log_queue (event_id) values (${id})`);
    },
    caught: [inVerify("admission tag is false"), inSequencer("quarantined: ")],
  },
  {
    name: "Forge an event and mark it as integrated",
    mount: async (scene) => {
      const id = await scene.insertForged();
      await scene.lie(
        `insert into log_leaf (idx, event_id, leaf_hash)
         select (select size from log_head), id, leaf_hash from events where id = ${id}`,
      );
      await scene.lie("update log_head set size = size + 1");
    },
    caught: [
      inVerify("admission tag is false"),
      inVerify("entries, its signature"),
      inSequencer("entries, its signature"),
    ],
  },
  {
    name: "Edit an event that is still pending",
    mount: async (scene) => {
      await scene.server.call("PUT", "/urls/victim", { title: "version 4" });
      const { id } = await scene.event(4);
      const actor = disclose(
        "actor",
        { user_id: null, key_id: null, via: "nobody", request_id: null, reason: null },
        randomBytes(16),
      );
      await scene.lie(`update events set actor = '${actor}', user_id = null where id = ${id}`);
    },
    caught: [inVerify("a disclosure does not match its digest in the leaf"), inSequencer("quarantined: ")],
  },
  {
    name: "Hide a pending event (take it out of the queue)",
    mount: async (scene) => {
      await scene.server.call("PUT", "/urls/victim", { title: "version 4" });
      const { id } = await scene.event(4);
      await scene.lie(`delete from log_queue where event_id = ${id}`);
    },
    caught: [
      inVerify("is in neither queue nor log"),
      { by: "the minute's sweep, which queues it again", check: sweep, says: "forgotten: " },
    ],
  },
  {
    name: "Drop a pending event, its queue row and the change it made",
    mount: async (scene) => {
      follow(scene.server.deadletter);
      await scene.server.call("PUT", "/urls/victim", { title: "version 4" });
      const { id } = await scene.event(4);
      await scene.rewind(3);
      await scene.lie(`delete from log_queue where event_id = ${id}`);
      await scene.lie(`delete from events where id = ${id}`);
      await scene.lie("update counters set value = value - 1 where name = 'events:url:updated'");
    },
    caught: [{ by: "the process that committed it, which watches for it", check: ownWriteWatch, says: "late: " }],
  },
  {
    name: "Show two people two logs (split view)",
    mount: async (scene) => {
      const restore = await scene.backUp();
      await scene.makeLink("for-one", 2);
      const one = await scene.server.sequence();
      await restore();
      scene.forgetCheckpoint();
      await scene.makeLink("for-another", 2);
      await scene.server.sequence();
      scene.kept = one;
    },
    caught: [
      {
        by: "`verify --checkpoint`, with what the other one saw",
        check: verifyWithKeptCheckpoint,
        says: "it was forked",
      },
    ],
  },
  {
    name: "Go on from an old backup (fork)",
    mount: async (scene) => {
      const restore = await scene.backUp();
      await scene.makeLink("one-history", 2);
      scene.kept = await scene.server.sequence();
      const path = checkpointPath(scene.server.deadletter.config);
      const remembered = await Bun.file(path).text();
      await restore();
      // Another host, with the key but without this one's memory, makes the log longer than it was.
      scene.forgetCheckpoint();
      await scene.makeLink("another-history", 5);
      await scene.server.sequence();
      await scene.restart();
      await Bun.write(path, remembered);
      await scene.makeLink("next", 1);
    },
    caught: [
      inSequencer("it was forked"),
      { by: "`verify --checkpoint`", check: verifyWithKeptCheckpoint, says: "it was forked or rewritten" },
    ],
  },
];

/** All that follows from another title is made to agree: leaf, hash, disclosure, row and head; only the tag cannot be. */
async function rewriteLast(scene: Scene, isLogRewritten: boolean): Promise<void> {
  const [before, last] = [await scene.event(2), await scene.event(3)];
  const forged = scene.forge(3, before.leaf_hash, last.subject_id, "rewritten");
  const { literal } = scene.store;
  await scene.lie(
    `update events set leaf = ${literal(forged.leaf)}, leaf_hash = ${literal(forged.leaf_hash)}, at_ms = ${forged.at_ms},
                       state = '${forged.state}', actor = '${forged.actor}' where id = ${last.id}`,
  );
  await scene.lie(
    `update urls set title = 'rewritten', updated_at_ms = ${forged.at_ms}, head = ${literal(forged.leaf_hash)}
     where id = ${last.subject_id}`,
  );
  if (isLogRewritten)
    await scene.lie(`update log_leaf set leaf_hash = ${literal(forged.leaf_hash)} where event_id = ${last.id}`);
}

/** Follows the log and watches its own writes, as a process that serves does, and does not sequence. */
export function follow({ auditLog }: Deadletter): void {
  void auditLog.following.start?.();
  void auditLog.watching.start?.();
}
