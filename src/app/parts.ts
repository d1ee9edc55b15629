// Everything that runs beside requests, in one list: started in its order, closed in the reverse one.

export interface Part {
  readonly name: string;
  /** Resolves when the part runs, or has begun to try. */
  start?(): void | Promise<void>;
  /** The process is about to stop: releases whoever waits. */
  drain?(): void;
  /** Also where it was never started. */
  close?(): void | Promise<void>;
}

export class Parts {
  readonly #parts: readonly Part[];

  /** Each may use those before it. */
  constructor(parts: readonly Part[]) {
    this.#parts = parts;
  }

  async start(): Promise<void> {
    for (const part of this.#parts) await part.start?.();
  }

  drain(): void {
    for (const part of this.#parts) part.drain?.();
  }

  /** All of them, whatever becomes of one; then throws what the first that failed has thrown. */
  async close(): Promise<void> {
    const failures: unknown[] = [];
    for (const part of this.#parts.toReversed()) {
      try {
        await part.close?.();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
