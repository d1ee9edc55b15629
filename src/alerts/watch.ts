// Watches the conditions: says when one holds, once and not at every look, and when it does no more. What was not delivered was not
// said.

import { LIMITS } from "../limits.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import { CONDITIONS, type Condition, LONGEST_MS, NO_TOTALS, type Snapshot, type Totals } from "./conditions.ts";
import type { AlertMessage } from "./message.ts";
import type { Told } from "./standings.ts";

export interface WatchOptions {
  readonly clock: Clock;
  readonly look: () => Promise<Omit<Snapshot, "atMs">>;
  /** Whether the message was taken. */
  readonly send: (message: AlertMessage) => Promise<boolean>;
  /** The least time between two messages that the same condition holds. */
  readonly cooldownMs: number;
  readonly origin: string;
  readonly host: string;
  readonly replica: string;
  /** What a process before this one had told, and what keeps that. */
  readonly told: Told;
  readonly keep: (told: Told) => void;
  /** Whether all that is counted began with this process: then what was counted before the first look is news. */
  readonly isCountingAnew: boolean;
  readonly onFailure: (error: unknown) => void;
}

/** Times by the clock's monotonic(). */
interface Standing {
  sinceMs: number | undefined;
  clearMs: number | undefined;
  /** When it was last told that it holds. */
  toldMs: number | undefined;
  /** Whether receivers believe that it holds. */
  isTold: boolean;
  /** A message is on its way: nothing else is said meanwhile. */
  isSending: boolean;
}

export class AlertWatch {
  readonly #options: WatchOptions;
  readonly #standings: ReadonlyMap<string, Standing>;
  /** Oldest first; as many as LONGEST_MS takes. */
  readonly #totals: { readonly atMs: number; readonly totals: Totals }[] = [];
  #timer: Timer | undefined;
  #looking: Promise<void> | undefined;

  constructor(options: WatchOptions) {
    this.#options = options;
    const { clock, told, isCountingAnew } = options;
    const standings = CONDITIONS.map(({ name }) => [name, standingOf(told[name], clock)] as const);
    this.#standings = new Map(standings);
    if (isCountingAnew) this.#totals.push({ atMs: clock.monotonic(), totals: NO_TOTALS });
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
    const { totals } = found;
    if (totals) this.#totals.push({ atMs: now.atMs, totals });
    // One that is as old as anybody looks back to is kept.
    while ((this.#totals[1]?.atMs ?? now.atMs) <= now.atMs - LONGEST_MS) this.#totals.shift();
    const ago = (ms: number) =>
      (this.#totals.findLast(({ atMs }) => atMs <= now.atMs - ms) ?? this.#totals[0])?.totals ?? NO_TOTALS;
    for (const condition of CONDITIONS) this.#weigh(condition, condition.find(now, ago), now.atMs);
  }

  #weigh(condition: Condition, finding: string | null | undefined, nowMs: number): void {
    const standing = this.#standings.get(condition.name);
    // What cannot be told now neither holds nor is over.
    if (!standing || finding === undefined) return;
    if (finding === null) {
      standing.sinceMs = undefined;
      standing.clearMs ??= nowMs;
      if (!standing.isTold || standing.isSending || nowMs - standing.clearMs < LIMITS.alertClearMs) return;
      this.#say(condition, standing, "resolved", condition.resolved);
      return;
    }
    standing.clearMs = undefined;
    standing.sinceMs ??= nowMs;
    if (standing.isSending || nowMs - standing.sinceMs < condition.forMs) return;
    const restMs = standing.isTold ? condition.remindMs : this.#options.cooldownMs;
    if (standing.toldMs !== undefined && nowMs - standing.toldMs < restMs) return;
    this.#say(condition, standing, "firing", finding);
  }

  #say(condition: Condition, standing: Standing, status: "firing" | "resolved", summary: string): void {
    const { send, origin, host, replica, clock, onFailure } = this.#options;
    const { name, severity, isShared, runbook } = condition;
    const dedupeKey = `deadletter/${origin}/${name}${isShared ? "" : `/${host}`}`;
    standing.isSending = true;
    void send({ status, alert: name, severity, summary, dedupeKey, runbook, replica, atMs: clock.now() })
      .then((isTaken) => {
        // What was not taken is said again at the next look.
        if (!isTaken) return;
        standing.isTold = status === "firing";
        if (status === "firing") standing.toldMs = clock.monotonic();
        this.#keep();
      })
      .catch(onFailure)
      .finally(() => {
        standing.isSending = false;
      });
  }

  #keep(): void {
    const { clock, keep } = this.#options;
    const told = [...this.#standings].flatMap(([name, { isTold, toldMs }]) =>
      isTold && toldMs !== undefined ? [[name, clock.now() - (clock.monotonic() - toldMs)] as const] : [],
    );
    keep(Object.fromEntries(told));
  }
}

function standingOf(toldAtMs: number | undefined, clock: Clock): Standing {
  const isTold = toldAtMs !== undefined;
  // A clock that was set back must not make it last longer.
  const toldMs = isTold ? clock.monotonic() - Math.max(0, clock.now() - toldAtMs) : undefined;
  return { sinceMs: undefined, clearMs: undefined, toldMs, isTold, isSending: false };
}
