// Passes on what workers write, whole lines at a time: two processes that wrote to one pipe by themselves would tear each
// other's lines (POSIX keeps writes apart up to PIPE_BUF only, write(2)).

import { LIMITS } from "../limits.ts";

const NEWLINE = 10;

/** Resolves at the end of the stream. A line longer than LIMITS.forwardedLineBytes is passed on in parts. */
export async function forwardLines(
  stream: ReadableStream<Uint8Array>,
  write: (lines: Uint8Array) => Promise<void>,
): Promise<void> {
  let rest: Uint8Array = new Uint8Array();
  for await (const chunk of stream) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const lines = bytes.lastIndexOf(NEWLINE) + 1;
    const end = lines === 0 && bytes.length > LIMITS.forwardedLineBytes ? bytes.length : lines;
    // A reader that has gone away must not end the workers.
    if (end > 0) await write(bytes.subarray(0, end)).catch(() => undefined);
    rest = bytes.slice(end);
  }
  if (rest.length > 0) await write(rest).catch(() => undefined);
}
