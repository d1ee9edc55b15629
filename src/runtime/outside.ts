// Time, chance and files as one: what a process is given by the system, and by a test that wants to decide about them.

import { type Clock, systemClock } from "./clock.ts";
import { type Files, systemFiles } from "./files.ts";
import { type RandomBytes, systemRandom } from "./random.ts";

export interface Outside {
  readonly clock: Clock;
  readonly randomBytes: RandomBytes;
  readonly files: Files;
}

export const SYSTEM: Outside = { clock: systemClock, randomBytes: systemRandom, files: systemFiles };
