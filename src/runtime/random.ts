// Chance, from outside: what is drawn in a test can be drawn again.

import { randomBytes } from "node:crypto";

/** Unpredictable bytes, unless a test supplied the source. */
export type RandomBytes = (size: number) => Uint8Array;

/** From the system's generator, a block at a time: a call of its own for each few bytes costs more than the bytes. */
export const systemRandom: RandomBytes = createRandomPool(randomBytes);

/** What was handed out is wiped from the block. */
function createRandomPool(draw: RandomBytes): RandomBytes {
  let block = new Uint8Array();
  let used = 0;
  return (size) => {
    if (size > BLOCK_BYTES / 4) return draw(size);
    if (used + size > block.length) {
      block = new Uint8Array(draw(BLOCK_BYTES));
      used = 0;
    }
    const bytes = block.slice(used, used + size);
    block.fill(0, used, used + size);
    used += size;
    return bytes;
  };
}

const BLOCK_BYTES = 4_096;

/** RFC 9562 section 5.4. Its own source: a request's number need not be drawn again, and this one takes 40 ns. */
export function randomRequestId(): string {
  return crypto.randomUUID();
}

/** Hexadecimal digits for a name that must be unique, two per byte. */
export function randomName(random: RandomBytes, bytes: number): string {
  return Buffer.from(random(bytes)).toString("hex");
}
