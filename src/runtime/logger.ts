// JSON log lines on standard error or any other sink, one object a line, buffered and bounded.
// Never write a secret here: callers pass identifiers, never keys, bodies or database addresses.

import { LIMITS } from "../limits.ts";
import { prettyLine } from "./pretty-line.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export type LogFields = Readonly<Record<string, unknown>>;

/** `json`: an object a line; `pretty`: for people. */
export type LogFormat = "json" | "pretty";

export interface Logger {
  /** The line of a redirect that was found, as info(), for less: there may be so many of them. */
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
/** What JSON escapes, or must not hold, within ASCII (RFC 8259 section 7). */
const [SPACE, QUOTE, BACKSLASH, TILDE] = [0x20, 0x22, 0x5c, 0x7e];

export interface LogSink {
  /** Must have taken the bytes, or a copy of them, when it returns. */
  write(bytes: Uint8Array): unknown;
  flush(): number | Promise<number>;
}

/**
 * Lines reach the sink within LIMITS.logFlushMs, sooner where LIMITS.logFlushBytes wait. While the sink is busy they wait;
 * past LIMITS.logBufferBytes of them new ones are counted and dropped.
 */
export function createLogger(level: LogLevel, sink: LogSink = Bun.stderr.writer(), format: LogFormat = "json"): Logger {
  const threshold = LOG_LEVELS.indexOf(level);
  const buffer = Buffer.allocUnsafe(LIMITS.logBufferBytes);
  let used = 0;
  let lines = 0;
  let dropped = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let flushing: Promise<void> | undefined;

  function line(severity: LogLevel, message: string, fields: LogFields = {}): void {
    if (LOG_LEVELS.indexOf(severity) < threshold) return;
    // At most three bytes come of a UTF-16 unit (RFC 3629 section 3): only near the end are they counted.
    const now = time.at(Date.now());
    const text =
      format === "pretty"
        ? prettyLine(now, { level: severity, message, fields })
        : `{"time":"${now}","level":"${severity}",${JSON.stringify({ msg: message, ...fields }).slice(1)}\n`;
    const room = used + text.length * 3 <= buffer.length ? text.length : Buffer.byteLength(text);
    if (!hasRoom(room)) return;
    added(buffer.write(text, used));
  }

  const time = new TimeText();
  const start = new RedirectLineStart();

  /** Copies bytes instead of building a string: 0.1 us a line instead of 0.7 (bench/steps.ts). */
  function redirect(requestId: string, method: string): void {
    if (threshold > INFO) return;
    if (format === "pretty") {
      line("info", "request", { request_id: requestId, method, route: "redirect", status: 302 });
      return;
    }
    const head = start.at(Date.now());
    const end = method === "HEAD" ? HEAD_END : GET_END;
    const bytes = head.length + requestId.length + end.length;
    if (!hasRoom(bytes)) return;
    buffer.set(head, used);
    const idAt = used + head.length;
    for (let at = 0; at < requestId.length; at++) {
      const char = requestId.charCodeAt(at);
      if (char < SPACE || char > TILDE || char === QUOTE || char === BACKSLASH) {
        line("info", "request", { request_id: requestId, method, route: "redirect", status: 302 });
        return;
      }
      buffer[idAt + at] = char;
    }
    buffer.set(end, idAt + requestId.length);
    added(bytes);
  }

  function hasRoom(bytes: number): boolean {
    if (used + bytes <= buffer.length) return true;
    dropped += 1;
    return false;
  }

  function added(bytes: number): void {
    used += bytes;
    lines += 1;
    if (used > LIMITS.logFlushBytes && flushing === undefined) void flush();
    else timer ??= setTimeout(() => void flush(), LIMITS.logFlushMs);
  }

  /** Resolves once the sink has taken all that was written before. */
  async function flush(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    while (flushing) await flushing;
    if (used === 0) return;
    flushing = writeOut().finally(() => {
      flushing = undefined;
    });
    await flushing;
  }

  async function writeOut(): Promise<void> {
    const bytes = buffer.subarray(0, used);
    const batch = lines;
    used = 0;
    lines = 0;
    try {
      await sink.write(bytes);
      await sink.flush();
    } catch {
      // A full disk or a reader that went away must not end the process; the next lines are tried again.
      dropped += batch;
    }
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

const GET_END = Buffer.from('","method":"GET","route":"redirect","status":302}\n');
const HEAD_END = Buffer.from('","method":"HEAD","route":"redirect","status":302}\n');

/** The time (RFC 3339), written anew when it has changed. */
class TimeText {
  #atMs = -1;
  #text = "";

  at(nowMs: number): string {
    if (nowMs !== this.#atMs) {
      this.#atMs = nowMs;
      this.#text = new Date(nowMs).toISOString();
    }
    return this.#text;
  }
}

/** What a redirect's line begins with: the time (RFC 3339), written anew when it has changed. */
class RedirectLineStart {
  #atMs = -1;
  #bytes = Buffer.alloc(0);

  at(nowMs: number): Buffer {
    if (nowMs !== this.#atMs) {
      this.#atMs = nowMs;
      const time = new Date(nowMs).toISOString();
      this.#bytes = Buffer.from(`{"time":"${time}","level":"info","msg":"request","request_id":"`);
    }
    return this.#bytes;
  }
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
