// A thread of its own that moves the embedded store's write-ahead log into the database file, so that no redirect waits while
// that is done. It reads and writes nothing else. wal-keeper.ts talks to it.

import { Database } from "bun:sqlite";
import { closeSync, openSync, readSync } from "node:fs";
import { LIMITS } from "../limits.ts";
import type { WalNews, WalOrder } from "./wal-keeper.ts";

declare const self: Worker;

/** What a checkpoint answers: log is how many frames the write-ahead log has, checkpointed how many of them are in the file. */
interface Checkpointed {
  readonly busy: number;
  readonly log: number;
  readonly checkpointed: number;
}

self.onmessage = ({ data }: MessageEvent<WalOrder>) => {
  if (data.kind === "start") start(data.path, data.limitBytes);
};

function start(path: string, limitBytes: number): void {
  const database = new Database(path, { readwrite: true });
  database.run("pragma busy_timeout = 0");
  const { page_size } = database.query("pragma page_size").get() as { page_size: number };
  const passive = database.query<Checkpointed, []>("pragma wal_checkpoint(passive)");
  const restart = database.query<Checkpointed, []>("pragma wal_checkpoint(restart)");
  /** A frame is a page and a header of 24 bytes (sqlite.org/fileformat2.html#walformat). */
  const limitFrames = limitBytes / (page_size + 24);
  let movedMs = 0;
  let movedFrames = 0;

  const tell = (news: WalNews) => self.postMessage(news);
  const run = (statement: typeof passive): Checkpointed | undefined => {
    try {
      return statement.get() ?? undefined;
    } catch {
      // Somebody else is at it; the next time will do.
      return undefined;
    }
  };

  setInterval(() => {
    const frames = framesIn(path);
    const isDue = performance.now() - movedMs >= LIMITS.sqliteCheckpointMs;
    // Small steps while much is written, so that little is left when the writer pauses.
    if (!isDue && frames - movedFrames < limitFrames / 16) return;
    const moved = run(passive);
    movedMs = performance.now();
    movedFrames = moved?.log ?? frames;
    const isHeld = moved !== undefined && moved.checkpointed < moved.log / 2 && moved.log > limitFrames;
    tell({ kind: "moved", bytes: movedFrames * (page_size + 24), isHeld });
    if (movedFrames > limitFrames / 4 && !isHeld) tell({ kind: "full" });
  }, LIMITS.walLookMs);

  self.onmessage = ({ data }: MessageEvent<WalOrder>) => {
    if (data.kind !== "restart") return;
    // The writer waits: the few frames since the last step are moved, and the next one begins the log anew.
    database.run(`pragma busy_timeout = ${LIMITS.walRestartMs}`);
    const done = run(restart);
    database.run("pragma busy_timeout = 0");
    movedFrames = 0;
    tell({ kind: "restarted", isHeld: done === undefined || done.busy !== 0 });
  };
  tell({ kind: "started" });
}

/** mxFrame of the index of the write-ahead log (sqlite.org/walformat.html#the_wal_index_file_format); 0 where it cannot be read. */
function framesIn(path: string): number {
  const bytes = new Uint32Array(1);
  let file: number | undefined;
  try {
    file = openSync(`${path}-shm`, "r");
    return readSync(file, bytes, 0, 4, 16) === 4 ? (bytes[0] as number) : 0;
  } catch {
    return 0;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
