// JSON log lines on standard error or any other sink, one object a line, buffered and bounded.
// Never write a secret here: callers pass identifiers, never keys, bodies or database addresses.

import { LIMITS } from "./limits.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export type LogFields = Readonly<Record<string, unknown>>;

export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** Lines dropped because the sink did not keep up. */
  readonly dropped: number;
  flush(): Promise<void>;
}

export interface LogSink {
  write(text: string): unknown;
  flush(): number | Promise<number>;
}

/** Lines reach the sink within LIMITS.logFlushMs; past LIMITS.logBufferChars waiting, new ones are counted and dropped. */
export function createLogger(level: LogLevel, sink: LogSink = Bun.stderr.writer()): Logger {
  const threshold = LOG_LEVELS.indexOf(level);
  let buffer = "";
  let dropped = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let flushing: Promise<void> = Promise.resolve();

  function line(severity: LogLevel, message: string, fields: LogFields = {}): void {
    if (LOG_LEVELS.indexOf(severity) < threshold) return;
    if (buffer.length > LIMITS.logBufferChars) {
      dropped += 1;
      return;
    }
    buffer += `${JSON.stringify({ time: new Date().toISOString(), level: severity, msg: message, ...fields })}\n`;
    timer ??= setTimeout(() => void flush(), LIMITS.logFlushMs);
  }

  function flush(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    flushing = flushing.then(async () => {
      const text = buffer;
      buffer = "";
      if (text === "") return;
      try {
        await sink.write(text);
        await sink.flush();
      } catch {
        // A full disk or a reader that went away must not end the process; the next lines are tried again.
        dropped += text.split("\n").length - 1;
      }
    });
    return flushing;
  }

  return {
    debug: (message, fields) => line("debug", message, fields),
    info: (message, fields) => line("info", message, fields),
    warn: (message, fields) => line("warn", message, fields),
    error: (message, fields) => line("error", message, fields),
    get dropped() {
      return dropped;
    },
    flush,
  };
}

/** What a log line says of an error: message, code, stack and cause, never the values a query carried. */
export function describeError(error: unknown): LogFields {
  if (!(error instanceof Error)) return { error: String(error) };
  const code = (error as { code?: unknown }).code;
  return {
    error: error.message,
    ...(code === undefined ? {} : { code }),
    stack: error.stack,
    ...(error.cause === undefined ? {} : { cause: describeError(error.cause) }),
  };
}
