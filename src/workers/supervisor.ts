// serve --workers N: starts N processes of this program on one port, starts those again that end, passes on what they ask of
// one another, and stops them together. It opens neither the store nor the port, so there is little in it that could fail.

import type { Collected, Report } from "../http/report.ts";
import { LIMITS } from "../limits.ts";
import { systemClock as clock, sleep } from "../runtime/clock.ts";
import { describeError, type Logger } from "../runtime/logger.ts";
import { ownCommand } from "../runtime/program.ts";
import { addCounters } from "./ended-counters.ts";
import { forwardLines } from "./forward-lines.ts";
import type { Serving, ToSupervisor, ToWorker } from "./messages.ts";

export interface SupervisorOptions {
  readonly workers: number;
  /** The words that serve was given, for the workers. */
  readonly words: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** How long workers may take to stop before they are killed. */
  readonly stopMs: number;
  readonly log: Logger;
  readonly out: (lines: Uint8Array) => Promise<void>;
  readonly err: (lines: Uint8Array) => Promise<void>;
}

type Child = Bun.Subprocess<"ignore", "pipe", "pipe">;

interface Worker {
  readonly number: number;
  process: Child | undefined;
  isServing: boolean;
  /** What it last said of itself: counts for it while it is late. */
  report: Report | undefined;
  startedMs: number;
  /** Starts in a row that did not last. */
  failures: number;
}

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #workers: Worker[];
  readonly #startedMs = clock.now();
  #restarts = 0;
  /** What workers that have ended had counted. */
  #ended: Promise<Report["metrics"]> = Promise.resolve([]);
  /** Of the first worker that served; all others listen where it does. */
  #serving: Serving | undefined;
  /** Undefined until the leader has said anything. */
  #refusal: string | null | undefined;
  #isStopping = false;
  #exitCode = 0;
  #nextId = 0;
  readonly #reporting = new Map<number, (number: number) => void>();
  readonly #forwarding = new Set<Promise<void>>();
  readonly #settled = Promise.withResolvers<number>();
  readonly #allServe = Promise.withResolvers<Serving>();

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#workers = Array.from({ length: options.workers }, (_, index) => ({
      number: index + 1,
      process: undefined,
      isServing: false,
      report: undefined,
      startedMs: 0,
      failures: 0,
    }));
  }

  /** The exit code, once all workers have ended; `onServing` is told when all of them serve. */
  async run(onServing: (serving: Serving) => void): Promise<number> {
    void this.#allServe.promise.then(onServing);
    // The first one alone: it finds out whether there is anything to serve, and where.
    this.#start(this.#workers[0] as Worker);
    const exitCode = await this.#settled.promise;
    // Whoever should read their last lines may have stopped reading.
    await Promise.race([Promise.all(this.#forwarding), sleep(clock, LIMITS.workerFlushMs)]);
    return exitCode;
  }

  /** Asks all workers to stop, and kills those that have not within the time they are given. */
  stop(): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    for (const worker of this.#workers) tell(worker, { kind: "stop" });
    clock.after(this.#options.stopMs, () => this.kill()).unref();
    this.#settleWhenDone(0);
  }

  kill(): void {
    for (const { process: child } of this.#workers) child?.kill("SIGKILL");
  }

  #start(worker: Worker): void {
    worker.isServing = false;
    worker.startedMs = clock.monotonic();
    try {
      const child = this.#spawn(worker);
      worker.process = child;
      void child.exited.then((code) => this.#hasEnded(worker, code));
    } catch (error) {
      // No memory, no process left, or the executable is just being replaced.
      this.#options.log.error("a worker cannot be started", { worker: worker.number, ...describeError(error) });
      this.#hasEnded(worker, 1);
    }
  }

  #spawn(worker: Worker): Child {
    const { words, environment } = this.#options;
    const { port, adminListen, metricsListen } = this.#serving ?? {};
    const ports = [
      ...(port === undefined ? [] : ["--port", String(port)]),
      ...(adminListen === undefined ? [] : ["--admin-listen", adminListen]),
      ...(metricsListen === undefined ? [] : ["--metrics-listen", metricsListen]),
    ];
    const child = Bun.spawn([...ownCommand(), "serve-worker", String(worker.number), ...words, ...ports], {
      env: environment,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      ipc: (message: ToSupervisor, from) => {
        // What one said that has ended since is not its successor's.
        if (worker.process === from) this.#hear(worker, message);
      },
    });
    const forwarding = Promise.all([
      forwardLines(child.stdout, this.#options.out),
      forwardLines(child.stderr, this.#options.err),
    ]).then(() => void this.#forwarding.delete(forwarding));
    this.#forwarding.add(forwarding);
    return child;
  }

  #hasEnded(worker: Worker, code: number): void {
    const { log } = this.#options;
    worker.process = undefined;
    worker.isServing = false;
    const { metrics = [] } = worker.report ?? {};
    this.#ended = this.#ended.then((sum) => addCounters(sum, metrics));
    worker.report = undefined;
    if (this.#isStopping) {
      this.#settleWhenDone(code);
      return;
    }
    // What keeps the first one from serving keeps all of them.
    if (this.#serving === undefined) {
      this.#settled.resolve(code || 1);
      return;
    }
    const lastedMs = clock.monotonic() - worker.startedMs;
    worker.failures = lastedMs > LIMITS.workerSteadyMs ? 0 : worker.failures + 1;
    const backoffMs = Math.min(LIMITS.workerBackoffMs * 2 ** worker.failures, LIMITS.workerBackoffMostMs);
    this.#restarts += 1;
    log.error("a worker is started again", { worker: worker.number, exit_code: code, in_ms: backoffMs });
    clock.after(backoffMs, () => {
      if (!this.#isStopping) this.#start(worker);
    });
  }

  /** A worker that had to be killed, or failed to stop, is this process's failure. */
  #settleWhenDone(code: number): void {
    this.#exitCode ||= code;
    if (this.#workers.every(({ process: child }) => child === undefined)) this.#settled.resolve(this.#exitCode);
  }

  #hear(worker: Worker, message: ToSupervisor): void {
    switch (message.kind) {
      case "serving":
        this.#served(worker, message);
        return;
      case "collect":
        void this.#collect().then((collected) => tell(worker, { kind: "collected", id: message.id, collected }));
        return;
      case "report":
        worker.report = message.report;
        this.#reporting.get(message.id)?.(worker.number);
        return;
      case "refusal":
        this.#refusal = message.refusal;
        for (const other of this.#workers) if (other !== worker) this.#tellRefusal(other);
    }
  }

  #served(worker: Worker, serving: Serving): void {
    worker.isServing = true;
    this.#tellRefusal(worker);
    if (this.#serving === undefined) {
      this.#serving = serving;
      if (!this.#isStopping) for (const other of this.#workers) if (other !== worker) this.#start(other);
    }
    this.#options.log.info("worker serves", { worker: worker.number, pid: worker.process?.pid });
    if (this.#workers.every(({ isServing }) => isServing)) this.#allServe.resolve(this.#serving);
  }

  #tellRefusal(worker: Worker): void {
    if (this.#refusal !== undefined) tell(worker, { kind: "refusal", refusal: this.#refusal });
  }

  /** The reports of all workers that serve; of one that does not answer in time, its last. */
  async #collect(): Promise<Collected> {
    const late = new Set(this.#workers.filter(({ isServing }) => isServing).map(({ number }) => number));
    const id = this.#nextId++;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#reporting.set(id, (number) => {
      late.delete(number);
      if (late.size === 0) resolve();
    });
    for (const worker of this.#workers) if (late.has(worker.number)) tell(worker, { kind: "report", id });
    if (late.size > 0) await Promise.race([promise, sleep(clock, LIMITS.workerReportMs)]);
    this.#reporting.delete(id);
    return {
      reports: this.#workers.flatMap(({ report }) => report ?? []),
      ended: await this.#ended,
      late: late.size,
      restarts: this.#restarts,
      startedMs: this.#startedMs,
    };
  }
}

function tell({ process: child }: Worker, message: ToWorker): void {
  try {
    child?.send(message);
  } catch {
    // It is ending; what becomes of it is seen there.
  }
}
