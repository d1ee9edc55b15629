// A thread of its own that moves the embedded store's write-ahead log into the database file, so that no redirect waits while
// that is done. It reads and writes nothing else. wal-keeper.ts talks to it.

import { Database } from "bun:sqlite";
import { LIMITS } from "../limits.ts";
import { systemClock } from "../runtime/clock.ts";
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
  // What it would do, without doing it; never by reading the index's file: closing that would drop SQLite's own locks on it
  // (fcntl(2), sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_).
  const look = database.query<Checkpointed, []>("pragma wal_checkpoint(noop)");
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

  systemClock.every(LIMITS.walLookMs, () => {
    const frames = run(look)?.log ?? 0;
    const isDue = systemClock.monotonic() - movedMs >= LIMITS.sqliteCheckpointMs;
    // Small steps while much is written, so that little is left when the writer pauses.
    if (!isDue && frames - movedFrames < limitFrames / 16) return;
    const moved = run(passive);
    movedMs = systemClock.monotonic();
    movedFrames = moved?.log ?? frames;
    const isHeld = moved !== undefined && moved.checkpointed < moved.log / 2 && moved.log > limitFrames;
    tell({ kind: "moved", bytes: movedFrames * (page_size + 24), isHeld });
    if (movedFrames > limitFrames / 4 && !isHeld) tell({ kind: "full" });
  });

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
