// Watches the conditions: says when one holds, once and not at every look, and when it does no more.

import { LIMITS } from "../limits.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import { CONDITIONS, type Condition, LONGEST_MS, type Snapshot } from "./conditions.ts";
import type { AlertMessage } from "./message.ts";

export interface WatchOptions {
  readonly clock: Clock;
  readonly look: () => Promise<Omit<Snapshot, "atMs">>;
  readonly send: (message: AlertMessage) => void;
  /** The least time between two messages that the same condition holds. */
  readonly cooldownMs: number;
  readonly origin: string;
  readonly host: string;
  readonly replica: string;
  readonly onFailure: (error: unknown) => void;
}

/** Times by the clock's monotonic(). */
interface Standing {
  sinceMs?: number | undefined;
  clearMs?: number | undefined;
  toldMs?: number | undefined;
  /** Whether whoever is told believes that it holds. */
  isTold: boolean;
}

export class AlertWatch {
  readonly #options: WatchOptions;
  readonly #standings = new Map(CONDITIONS.map(({ name }) => [name, { isTold: false } as Standing]));
  /** Oldest first; as many as LONGEST_MS takes. */
  readonly #snapshots: Snapshot[] = [];
  #timer: Timer | undefined;
  #looking: Promise<void> | undefined;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer ??= this.#options.clock.every(LIMITS.alertLookMs, () => {
      this.#looking ??= this.look()
        .catch(this.#options.onFailure)
        .finally(() => {
          this.#looking = undefined;
        });
    });
    this.#timer.unref();
  }

  async close(): Promise<void> {
    this.#options.clock.cancel(this.#timer);
    await this.#looking;
  }

  async look(): Promise<void> {
    const found = await this.#options.look();
    const now = { ...found, atMs: this.#options.clock.monotonic() };
    this.#snapshots.push(now);
    // One that is as old as anybody looks back to is kept.
    while ((this.#snapshots[1]?.atMs ?? now.atMs) <= now.atMs - LONGEST_MS) this.#snapshots.shift();
    const ago = (ms: number) =>
      this.#snapshots.findLast(({ atMs }) => atMs <= now.atMs - ms) ?? this.#snapshots[0] ?? now;
    for (const condition of CONDITIONS) this.#weigh(condition, condition.find(now, ago), now.atMs);
  }

  #weigh(condition: Condition, detail: string | undefined, nowMs: number): void {
    const standing = this.#standings.get(condition.name) as Standing;
    if (detail === undefined) {
      standing.sinceMs = undefined;
      standing.clearMs ??= nowMs;
      if (!standing.isTold || nowMs - standing.clearMs < LIMITS.alertClearMs) return;
      standing.isTold = false;
      this.#say(condition, "resolved", condition.resolved);
      return;
    }
    standing.clearMs = undefined;
    standing.sinceMs ??= nowMs;
    if (nowMs - standing.sinceMs < condition.forMs) return;
    // Said again from time to time, since a message may be overlooked.
    const restMs = standing.isTold ? LIMITS.alertRemindMs : this.#options.cooldownMs;
    if (standing.toldMs !== undefined && nowMs - standing.toldMs < restMs) return;
    standing.isTold = true;
    standing.toldMs = nowMs;
    this.#say(condition, "firing", detail);
  }

  #say({ name, severity, isShared }: Condition, status: "firing" | "resolved", summary: string): void {
    const { send, origin, host, replica, clock } = this.#options;
    const dedupeKey = `deadletter/${origin}/${name}${isShared ? "" : `/${host}`}`;
    send({ status, alert: name, severity, summary, dedupeKey, replica, atMs: clock.now() });
  }
}
