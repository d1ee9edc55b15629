// Signals and errors of a process that serves: when it stops, how, and what it survives.

import { LIMITS } from "../limits.ts";
import { describeError, type Logger } from "./logger.ts";

export interface ShutdownSteps {
  /** From here on /readyz says 503, so that load balancers look elsewhere. */
  readonly startDraining: () => void;
  readonly graceMs: number;
  /** Stops accepting, finishes open requests, flushes, closes. */
  readonly finish: () => Promise<void>;
}

export interface StopSignals {
  /** Calls back when somebody other than the system wants the process to stop. */
  readonly onStop: (stop: () => void) => void;
}

/**
 * Resolves with the exit code after the first SIGTERM or SIGINT was carried out; a second one exits at once. A worker is stopped
 * by its supervisor, or by a SIGTERM of its own: what a terminal or a service manager sends to all of them counts once.
 */
export function untilShutdown(log: Logger, steps: ShutdownSteps, supervisor?: StopSignals): Promise<number> {
  return new Promise((resolve) => {
    const stop = (signal: string) => {
      log.info("stopping", { signal, grace_ms: steps.graceMs });
      steps.startDraining();
      void Bun.sleep(Math.max(steps.graceMs, LIMITS.drainNoticeMs))
        .then(() => steps.finish())
        .then(
          () => resolve(0),
          (error: unknown) => {
            log.error("stopping failed", describeError(error));
            void log.flush().finally(() => resolve(1));
          },
        );
    };
    if (!supervisor) {
      onStopSignals(stop, () => process.exit(1));
      return;
    }
    let isStopping = false;
    const stopOnce = (signal: string) => {
      if (!isStopping) stop(signal);
      isStopping = true;
    };
    supervisor.onStop(() => stopOnce("supervisor"));
    process.on("SIGTERM", stopOnce);
    process.on("SIGINT", () => {});
  });
}

/**
 * Calls back at the first SIGTERM or SIGINT, and at each one that comes later than LIMITS.sameSignalMs after it: until then
 * it is the same one, which a terminal sends to all of its processes and bun run or npx pass on once more.
 */
export function onStopSignals(first: (signal: string) => void, again: () => void): void {
  let firstMs: number | undefined;
  const hear = (signal: string) => {
    if (firstMs === undefined) {
      firstMs = performance.now();
      first(signal);
    } else if (performance.now() - firstMs > LIMITS.sameSignalMs) again();
  };
  process.on("SIGTERM", hear);
  process.on("SIGINT", hear);
}

/** Logs and counts an uncaught error and keeps the process running: a lost connection must not end all others. */
export function surviveUncaught(log: Logger, count: () => void): void {
  const report = (error: unknown) => {
    count();
    log.error("uncaught error", describeError(error));
  };
  process.on("uncaughtException", report);
  process.on("unhandledRejection", report);
}
