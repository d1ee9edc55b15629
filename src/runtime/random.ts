// Chance, from outside: what is drawn in a test can be drawn again.

import { randomBytes } from "node:crypto";

/** Unpredictable bytes, unless a test supplied the source. */
export type RandomBytes = (size: number) => Uint8Array;

export const systemRandom: RandomBytes = randomBytes;

/** RFC 9562 section 5.4. Its own source: a request's number need not be drawn again, and this one takes 40 ns. */
export function randomRequestId(): string {
  return crypto.randomUUID();
}

/** Hexadecimal digits for a name that must be unique, two per byte. */
export function randomName(random: RandomBytes, bytes: number): string {
  return Buffer.from(random(bytes)).toString("hex");
}
