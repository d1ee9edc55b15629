// JSON log lines on standard error or any other sink, one object a line, buffered and bounded.
// Never write a secret here: callers pass identifiers, never keys, bodies or database addresses.

import { LIMITS } from "./limits.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export type LogFields = Readonly<Record<string, unknown>>;

export interface Logger {
  /** The line of a redirect that was found, as info(); written by hand, since there are so many of them. */
  redirect(requestId: string, method: string): void;
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** Lines dropped because the sink did not keep up. */
  readonly dropped: number;
  flush(): Promise<void>;
}

const INFO = LOG_LEVELS.indexOf("info");
/** Without anything that JSON escapes (RFC 8259 section 7). */
const PLAIN = /^[A-Za-z0-9-]*$/;

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

  let secondMs = 0;
  let second = "";

  /** RFC 3339; the part down to the second is made once a second. */
  function timestamp(): string {
    const nowMs = Date.now();
    const ms = nowMs % 1000;
    if (nowMs - ms !== secondMs) {
      secondMs = nowMs - ms;
      second = new Date(secondMs).toISOString().slice(0, 20);
    }
    return `${second}${ms < 10 ? "00" : ms < 100 ? "0" : ""}${ms}Z`;
  }

  function redirect(requestId: string, method: string): void {
    if (threshold > INFO) return;
    if (buffer.length > LIMITS.logBufferChars) {
      dropped += 1;
      return;
    }
    // A number of the client's own may hold what JSON escapes.
    const id = PLAIN.test(requestId) ? `"${requestId}"` : JSON.stringify(requestId);
    buffer += `{"time":"${timestamp()}","level":"info","msg":"request","request_id":${id},"method":"${method}","route":"redirect","status":302}\n`;
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
    redirect,
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
