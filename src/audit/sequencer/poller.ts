// Runs a sequencer in a process that serves: a batch whenever something waits, a sweep each minute, and again after a failure.
// It knows whether the stored log is refused, and why.

import { LIMITS } from "../../limits.ts";
import type { Clock, Timer } from "../../runtime/clock.ts";
import { CheckpointError } from "../../tlog/note.ts";
import type { Alarm } from "../alarm.ts";
import type { BatchReport, Sequencer } from "./sequencer.ts";

export interface PollerParts {
  readonly sequencer: Sequencer;
  readonly clock: Clock;
  readonly alarm: Alarm;
  /** Told each time the log is refused that was not before. */
  readonly onRefused: () => void;
}

export class SequencerPoller {
  readonly #parts: PollerParts;
  #timer: Timer | undefined;
  #running: Promise<void> | undefined;
  /** Whether a poll is under way, or comes at once. */
  #isDue = false;
  #isClosed = false;
  #sweptMs = 0;
  /** Since when another process has held the head's lock at each try. */
  #busySinceMs: number | undefined;
  #refusal: string | undefined;
  #hasLooked = false;
  /** What was reported last, so that the same is not reported every second. */
  #failure: string | undefined;

  constructor(parts: PollerParts) {
    this.#parts = parts;
  }

  /** Why nothing is sequenced, where the log's head was refused. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  /** Whether it has looked at the log since start(). */
  get hasLooked(): boolean {
    return this.#hasLooked;
  }

  /** Polls until close(). */
  start(): void {
    this.#sweptMs = this.#parts.clock.monotonic();
    this.#schedule(0);
  }

  /** Polls at once: something waits. Not where that failed a moment ago. */
  poke(): void {
    // Put off again at each of many, it would never run.
    if (this.#isDue || this.#failure !== undefined) return;
    this.#isDue = true;
    this.#parts.clock.cancel(this.#timer);
    this.#schedule(0);
  }

  async close(): Promise<void> {
    const { clock, sequencer } = this.#parts;
    this.#isClosed = true;
    clock.cancel(this.#timer);
    await this.#running;
    try {
      sequencer.flush();
    } catch (error) {
      this.#report(error);
    }
  }

  #schedule(ms: number): void {
    if (this.#isClosed) return;
    this.#timer = this.#parts.clock.after(ms, () => {
      this.#isDue = true;
      this.#running = this.#poll().then((next) => {
        this.#isDue = false;
        this.#schedule(next);
      });
    });
  }

  /** How long to wait before the next poll. */
  async #poll(): Promise<number> {
    const { sequencer, clock } = this.#parts;
    try {
      if (clock.monotonic() - this.#sweptMs >= LIMITS.sweepMs) {
        this.#sweptMs = clock.monotonic();
        await sequencer.sweep();
        await sequencer.recheck();
      }
      let batch = await sequencer.runBatch();
      while (!this.#isClosed && batch.isMore) batch = await sequencer.runBatch();
      this.#noteBusy(batch.state);
      sequencer.flushWhenDue();
      // Only who has looked at the head knows that it is right.
      if (batch.state === "done") {
        this.#hasLooked = true;
        this.#failure = undefined;
        this.#refusal = undefined;
      }
      return LIMITS.sequencerPollMs;
    } catch (error) {
      this.#report(error);
      return LIMITS.sequencerRetryMs;
    }
  }

  /** Whoever accepts that the log went back must name all that was remembered of it. */
  #writeDown(): void {
    try {
      this.#parts.sequencer.flush();
    } catch {
      // It is reported where the log is not refused; the next look tries again.
    }
  }

  #noteBusy(state: BatchReport["state"]): void {
    const { clock, alarm } = this.#parts;
    if (state === "done") this.#busySinceMs = undefined;
    else this.#busySinceMs ??= clock.monotonic();
    if (this.#busySinceMs !== undefined && clock.monotonic() - this.#busySinceMs > LIMITS.sweepMs) {
      this.#busySinceMs = undefined;
      alarm("failed", "another process holds the log's head, and did so at every try for a minute");
    }
  }

  /** An alarm each time the reason is a new one; a store that is down alarms by itself. */
  #report(error: unknown): void {
    const { sequencer, alarm } = this.#parts;
    sequencer.distrust();
    const message = error instanceof Error ? error.message : String(error);
    const isRefusal = error instanceof CheckpointError;
    // A store that is down says nothing of the log: what was refused before stays refused.
    if (isRefusal) {
      if (this.#refusal === undefined) this.#parts.onRefused();
      this.#refusal = message;
      this.#writeDown();
    }
    this.#hasLooked ||= isRefusal;
    if (this.#failure === message) return;
    this.#failure = message;
    const isDown = (error as { code?: unknown }).code === "unavailable";
    if (isRefusal) alarm("refused", `the log is not extended: ${message}`);
    else if (!isDown) alarm("failed", `sequencing failed and is tried again: ${message}`);
  }
}
