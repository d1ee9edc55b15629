// How clicks are written down: frames, each one line of JSON and then a table's rows as the machine holds them, so that
// writing one costs the redirects next to nothing.

import { LIMITS } from "../limits.ts";
import type { ClickHour } from "../store/queries/clicks.ts";
import type { ClickTable } from "./click-table.ts";
import type { Visitor } from "./visitor.ts";

const ROW_BYTES = Float64Array.BYTES_PER_ELEMENT + Uint32Array.BYTES_PER_ELEMENT;

interface FrameHead {
  /** Hours since the epoch. */
  readonly hour: number;
  readonly clicks: number;
  readonly rows: number;
  readonly visitors: readonly (readonly [number, Visitor["kind"], Visitor["device"], string])[];
}

export interface Frame extends FrameHead {
  /** All keys (float64), then all counts (uint32), as in ClickTable, in the machine's byte order. */
  readonly body: Uint8Array;
}

export function writeFrame(hour: number, table: ClickTable, visitorOf: (number: number) => Visitor): Uint8Array {
  const { clicks, rows } = table;
  const visitors = table.visitors().map((number) => {
    const { kind, device, referrer } = visitorOf(number);
    return [number, kind, device, referrer] as const;
  });
  const head = JSON.stringify({ hour, clicks, rows, visitors } satisfies FrameHead);
  return Buffer.concat([
    Buffer.from(`${head}\n`),
    new Uint8Array(table.keys.buffer, 0, rows * table.keys.BYTES_PER_ELEMENT),
    new Uint8Array(table.counts.buffer, 0, rows * table.counts.BYTES_PER_ELEMENT),
  ]);
}

/** The frames up to the first that is damaged, such as a last one that was cut short by a kill. */
export function* framesOf(bytes: Uint8Array): Generator<Frame> {
  for (let at = 0; at < bytes.length; ) {
    const bodyAt = bytes.indexOf(10, at) + 1;
    const head = bodyAt === 0 ? undefined : parseHead(bytes.subarray(at, bodyAt));
    if (!head) return;
    at = bodyAt + head.rows * ROW_BYTES;
    if (at > bytes.length) return;
    // A copy, so that its numbers lie where typed arrays may begin.
    const frame = { ...head, body: new Uint8Array(bytes.subarray(bodyAt, at)) };
    if (!isWhole(frame)) return;
    yield frame;
  }
}

function columnsOf({ body, rows }: Frame): { keys: Float64Array; counts: Uint32Array } {
  return {
    keys: new Float64Array(body.buffer, 0, rows),
    counts: new Uint32Array(body.buffer, rows * Float64Array.BYTES_PER_ELEMENT, rows),
  };
}

/** Whether the rows can be what the head says: after a power cut a file may hold zeros where it was not written. */
function isWhole(frame: Frame): boolean {
  const { keys, counts } = columnsOf(frame);
  return (
    keys.every((key) => Number.isSafeInteger(key) && key >= LIMITS.visitors) &&
    counts.every((count) => count > 0) &&
    counts.reduce((sum, count) => sum + count, 0) === frame.clicks
  );
}

export function rowsOf(frame: Frame): ClickHour[] {
  const { hour, visitors } = frame;
  const { keys, counts } = columnsOf(frame);
  const byNumber = new Map(visitors.map(([number, kind, device, referrer]) => [number, { kind, device, referrer }]));
  return Array.from(keys, (key, row) => {
    const number = key % LIMITS.visitors;
    const { kind, device, referrer } = byNumber.get(number) ?? { kind: "click", device: "other", referrer: "" };
    return { url_id: (key - number) / LIMITS.visitors, hour, kind, device, referrer, clicks: counts[row] ?? 0 };
  });
}

function parseHead(line: Uint8Array): FrameHead | undefined {
  try {
    const head = JSON.parse(new TextDecoder().decode(line)) as FrameHead;
    return Number.isSafeInteger(head.rows) && head.rows >= 0 ? head : undefined;
  } catch {
    return undefined;
  }
}
