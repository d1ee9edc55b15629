// Encodes the messages between an embedded store's two threads: statements with their values one way, rows the other. Takes a third
// of the time of a structured clone. The format is private: both threads run the same build.

import { LIMITS } from "../limits.ts";
import type { Value } from "./store.ts";

/** `isInside`: a part of a transaction, refused where none is open; `each` always is, and its rows are of one length. */
export type Call =
  | { readonly kind: "all"; readonly isInside: boolean; readonly text: string; readonly values: readonly Value[] }
  | { readonly kind: "each"; readonly text: string; readonly rows: readonly (readonly Value[])[] }
  | { readonly kind: "run"; readonly text: string }
  | { readonly kind: "abandon" | "close" };

/** What SQLite said, as bun:sqlite has it. */
export interface Failure {
  readonly message: string;
  readonly errno: number | undefined;
}

export interface Answers {
  /** By the place of the call; undefined for one that has no rows. */
  readonly results: readonly (unknown[] | Failure | undefined)[];
  /** Whether a transaction is open after the last of them. */
  readonly inTransaction: boolean;
}

type Row = Readonly<Record<string, Value>>;

const KINDS = ["all", "each", "run", "abandon", "close"] as const;
const [NULL, NUMBER, TEXT, BYTES] = [0, 1, 2, 3];
const [NO_ROWS, ROWS, FAILURE] = [0, 1, 2];

/** Gives the buffer away: it can be transferred. */
export function encodeCalls(calls: readonly Call[]): ArrayBuffer {
  const out = new Out();
  out.size(calls.length);
  for (const call of calls) {
    out.byte(KINDS.indexOf(call.kind));
    if ("text" in call) out.text(call.text);
    if (call.kind === "all") {
      out.byte(call.isInside ? 1 : 0);
      out.size(call.values.length);
      for (const value of call.values) out.value(value);
    } else if (call.kind === "each") {
      out.size(call.rows.length);
      out.size(call.rows[0]?.length ?? 0);
      for (const row of call.rows) for (const value of row) out.value(value);
    }
  }
  return out.end();
}

/** Bytes among the values are a view of the buffer. */
export function decodeCalls(buffer: ArrayBuffer): Call[] {
  const from = new In(buffer);
  return Array.from({ length: from.size() }, (): Call => {
    const kind = KINDS[from.byte()] as Call["kind"];
    if (kind === "abandon" || kind === "close") return { kind };
    const text = from.text();
    if (kind === "run") return { kind, text };
    if (kind === "all") {
      const isInside = from.byte() === 1;
      return { kind, isInside, text, values: from.values(from.size()) };
    }
    const [count, width] = [from.size(), from.size()];
    return { kind, text, rows: Array.from({ length: count }, () => from.values(width)) };
  });
}

/** Gives the buffer away: it can be transferred. */
export function encodeAnswers({ results, inTransaction }: Answers): ArrayBuffer {
  const out = new Out();
  out.byte(inTransaction ? 1 : 0);
  out.size(results.length);
  for (const result of results) {
    if (result === undefined) out.byte(NO_ROWS);
    else if ("message" in result) {
      out.byte(FAILURE);
      out.text(result.message);
      out.value(result.errno ?? null);
    } else {
      out.byte(ROWS);
      const rows = result as Row[];
      const names = Object.keys(rows[0] ?? {});
      out.size(names.length);
      for (const name of names) out.text(name);
      out.size(rows.length);
      for (const row of rows) for (const name of names) out.value(row[name] as Value);
    }
  }
  return out.end();
}

/** Bytes among the values are a view of the buffer. */
export function decodeAnswers(buffer: ArrayBuffer): Answers {
  const from = new In(buffer);
  const inTransaction = from.byte() === 1;
  const results = Array.from({ length: from.size() }, () => {
    const kind = from.byte();
    if (kind === NO_ROWS) return undefined;
    if (kind === FAILURE) return { message: from.text(), errno: (from.value() as number | null) ?? undefined };
    const names = Array.from({ length: from.size() }, () => from.text());
    return Array.from({ length: from.size() }, () => {
      const row: Record<string, Value> = {};
      for (const name of names) row[name] = from.value();
      return row;
    });
  });
  return { results, inTransaction };
}

/** Shared by all messages of this thread, which are encoded one at a time. Stays grown up to LIMITS.threadMessageMostBytes. */
let scratch = Buffer.alloc(LIMITS.threadMessageBytes);

class Out {
  #bytes = scratch;
  #at = 0;

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#at++] = value;
  }

  size(value: number): void {
    this.#reserve(4);
    this.#at = this.#bytes.writeUInt32LE(value, this.#at);
  }

  text(text: string): void {
    // A character of UTF-16 takes at most three bytes of UTF-8.
    this.#reserve(4 + 3 * text.length);
    const length = this.#bytes.write(text, this.#at + 4);
    this.#bytes.writeUInt32LE(length, this.#at);
    this.#at += 4 + length;
  }

  value(value: Value): void {
    if (value === null) this.byte(NULL);
    else if (typeof value === "string") {
      this.byte(TEXT);
      this.text(value);
    } else if (typeof value === "number") {
      this.#reserve(9);
      this.#bytes[this.#at] = NUMBER;
      this.#at = this.#bytes.writeDoubleLE(value, this.#at + 1);
    } else {
      this.byte(BYTES);
      this.size(value.length);
      this.#reserve(value.length);
      this.#bytes.set(value, this.#at);
      this.#at += value.length;
    }
  }

  end(): ArrayBuffer {
    const { buffer, byteOffset } = this.#bytes;
    return buffer.slice(byteOffset, byteOffset + this.#at) as ArrayBuffer;
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return;
    const grown = Buffer.alloc(2 * (this.#at + bytes));
    this.#bytes.copy(grown, 0, 0, this.#at);
    this.#bytes = grown;
    if (grown.length <= LIMITS.threadMessageMostBytes) scratch = grown;
  }
}

class In {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(buffer: ArrayBuffer) {
    this.#bytes = Buffer.from(buffer);
  }

  byte(): number {
    return this.#bytes[this.#at++] as number;
  }

  size(): number {
    this.#at += 4;
    return this.#bytes.readUInt32LE(this.#at - 4);
  }

  text(): string {
    const length = this.size();
    this.#at += length;
    return this.#bytes.toString("utf8", this.#at - length, this.#at);
  }

  value(): Value {
    const kind = this.byte();
    if (kind === NULL) return null;
    if (kind === TEXT) return this.text();
    if (kind === NUMBER) {
      this.#at += 8;
      return this.#bytes.readDoubleLE(this.#at - 8);
    }
    const length = this.size();
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  values(count: number): Value[] {
    const values: Value[] = [];
    while (values.length < count) values.push(this.value());
    return values;
  }
}
