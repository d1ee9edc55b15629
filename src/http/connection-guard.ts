// Keeps a process from running out of file descriptors, at which a listener spins and threads die. Bun has no limit on accepted
// connections, so open descriptors are counted: near the limit idle connections are closed, and where that is not enough the
// listeners stop until it is. Where the system does not say how many there are (no proc(5)), nothing is guarded.

import { readdirSync, readFileSync, statSync } from "node:fs";
import { LIMITS } from "../limits.ts";
import type { Clock, Timer } from "../runtime/clock.ts";

export interface GuardedListener {
  closeIdle(): void;
  /** Accepts nothing until resume(); open connections stay. */
  pause(): void;
  /** False where the address cannot be listened on now. */
  resume(): boolean;
}

export interface ConnectionGuardOptions {
  readonly clock: Clock;
  /** Connections that are let in at the most; fewer where the limit on descriptors is lower. 0 for as many as that allows. */
  readonly maxConnections: number;
  /** Descriptors that something else than connections may still open, such as a pool to a database. */
  readonly reserved: number;
  readonly listeners: readonly GuardedListener[];
  /** Told of each time something was done. */
  readonly onAct: (act: GuardAct) => void;
}

export const GUARD_ACTS = ["closed_idle", "paused"] as const;
export type GuardAct = (typeof GUARD_ACTS)[number];

export class ConnectionGuard {
  readonly #options: ConnectionGuardOptions;
  readonly #mostOpen: number;
  #isPaused = false;
  #timer: Timer | undefined;

  /** Once all else that needs a descriptor is open, and before anybody connects. */
  constructor(options: ConnectionGuardOptions) {
    this.#options = options;
    const open = countOpenFiles() ?? 0;
    const { maxConnections, reserved } = options;
    const room = Math.max(LIMITS.connectionsLeast, limitOnOpenFiles() - open - reserved - LIMITS.fileReserve);
    this.#mostOpen = open + (maxConnections === 0 ? room : Math.min(room, maxConnections));
  }

  start(): void {
    const { clock } = this.#options;
    const look = () => {
      const startedMs = clock.monotonic();
      this.check();
      // On systems where counting is slow it is done less often: a fiftieth of the time at the most.
      const tookMs = clock.monotonic() - startedMs;
      this.#timer = clock.after(Math.max(LIMITS.connectionCheckMs, tookMs * 50), look);
      this.#timer.unref();
    };
    look();
  }

  close(): void {
    this.#options.clock.cancel(this.#timer);
  }

  check(): void {
    const { listeners, onAct } = this.#options;
    // Not even one could be opened to count the others.
    if ((countOpenFiles() ?? Number.POSITIVE_INFINITY) < this.#mostOpen) {
      if (this.#isPaused) this.#isPaused = !listeners.map((listener) => listener.resume()).every(Boolean);
      return;
    }
    if (this.#isPaused) return;
    onAct("closed_idle");
    for (const listener of listeners) listener.closeIdle();
    if ((countOpenFiles() ?? Number.POSITIVE_INFINITY) < this.#mostOpen) return;
    onAct("paused");
    this.#isPaused = true;
    for (const listener of listeners) listener.pause();
  }
}

/** Of this process; undefined where none is free to look with. proc_pid_fd(5): Linux 6.2 and later tell by the size alone. */
function countOpenFiles(): number | undefined {
  try {
    const { size } = statSync(OPEN_FILES);
    return size > 0 ? size : readdirSync(OPEN_FILES).length;
  } catch (error) {
    return (error as { code?: string }).code === "ENOENT" ? 0 : undefined;
  }
}

const OPEN_FILES = "/proc/self/fd";

/** The soft limit, which Bun raises to the hard one as it starts (getrlimit(2)). */
function limitOnOpenFiles(): number {
  try {
    const [, soft] = /^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
    return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
