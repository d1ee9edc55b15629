// A worker's end: which one it is, what it learns from its supervisor, what it tells.

import { unavailable } from "../errors.ts";
import type { Collected, Report, WorkerPool } from "../http/report.ts";
import { LIMITS } from "../limits.ts";
import { systemClock as clock, type Timer } from "../runtime/clock.ts";
import { withDeadline } from "../runtime/deadline.ts";
import type { Serving, ToSupervisor, ToWorker } from "./messages.ts";

/** The first worker sequences the log, keeps the warm set and the remembered checkpoint: what a host needs once. */
const LEADER = 1;

export class Seat implements WorkerPool {
  readonly isLeader: boolean;
  #refusal: string | null | undefined;
  #report: (() => Promise<Report>) | undefined;
  #stop: (() => void) | undefined;
  #isToStop = false;
  #nextId = 0;
  readonly #collecting = new Map<number, (collected: Collected) => void>();
  #timer: Timer | undefined;

  constructor(number: number) {
    this.isLeader = number === LEADER;
    process.on("message", (message: ToWorker) => this.#hear(message));
    // Without a supervisor nothing would ever stop or restart it.
    process.on("disconnect", () => this.#askToStop());
  }

  /** What the leader last said of the stored log. */
  get refusal(): string | null | undefined {
    return this.#refusal;
  }

  /** Calls back at once where that was asked before the process could. */
  onStop(stop: () => void): void {
    this.#stop = stop;
    if (this.#isToStop) stop();
  }

  serving(serving: Serving): void {
    say({ kind: "serving", ...serving });
  }

  reportWith(report: () => Promise<Report>): void {
    this.#report = report;
  }

  /** For the leader: lets the other workers know what it would not vouch for. */
  shareRefusal(read: () => string | undefined): void {
    // The first time always: what the leader before this one refused may be mended.
    let said: string | null | undefined;
    this.#timer = clock.every(LIMITS.workerNewsMs, () => {
      const refusal = read() ?? null;
      if (refusal !== said) say({ kind: "refusal", refusal });
      said = refusal;
    });
    this.#timer.unref();
  }

  /** Throws unavailable where the supervisor does not answer. */
  async collect(): Promise<Collected> {
    const id = this.#nextId++;
    const { promise, resolve } = Promise.withResolvers<Collected>();
    this.#collecting.set(id, resolve);
    try {
      say({ kind: "collect", id });
      return await withDeadline(clock, promise, {
        ms: 2 * LIMITS.workerReportMs,
        late: () => unavailable("the supervisor does not answer"),
      });
    } finally {
      this.#collecting.delete(id);
    }
  }

  #hear(message: ToWorker): void {
    switch (message.kind) {
      case "report":
        void this.#report?.().then((report) => say({ kind: "report", id: message.id, report }));
        return;
      case "collected":
        this.#collecting.get(message.id)?.(message.collected);
        return;
      case "refusal":
        this.#refusal = message.refusal;
        return;
      case "stop":
        this.#askToStop();
    }
  }

  #askToStop(): void {
    this.#isToStop = true;
    this.#stop?.();
  }
}

function say(message: ToSupervisor): void {
  // Once the supervisor is gone there is no one to tell, and the process is about to stop.
  if (process.connected) process.send?.(message);
}
