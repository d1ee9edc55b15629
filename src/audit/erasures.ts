// Holds what was erased against what erasures say they erased: a disclosure that merely vanished was removed by somebody.

import type { EventRow } from "../model/event.ts";
import { stateOf } from "./event.ts";
import type { Report } from "./finding.ts";

/** What an `erased` event says, in its state: the disclosures it removed, as `url:42:3` (subject, version). */
export interface Erasure {
  readonly actors: readonly string[];
  readonly states: readonly string[];
}

export function nameOf(event: Pick<EventRow, "subject_type" | "subject_id" | "version">): string {
  return `${event.subject_type}:${event.subject_id}:${event.version}`;
}

/** Collects while a log is walked; memory grows with what was erased, not with the log. */
export class Erasures {
  readonly #gone = new Map<string, EventRow>();
  readonly #announced = new Set<string>();

  /** How many events lack a disclosure. */
  get count(): number {
    return new Set([...this.#gone.values()].map(nameOf)).size;
  }

  see(event: EventRow): void {
    if (event.actor === null) this.#gone.set(`actor of ${nameOf(event)}`, event);
    if (event.state === null) this.#gone.set(`state of ${nameOf(event)}`, event);
    if (event.op !== "erased") return;
    const erasure = stateOf(event.state)?.erasure as Partial<Erasure> | undefined;
    for (const name of erasure?.actors ?? []) this.#announced.add(`actor of ${name}`);
    for (const name of erasure?.states ?? []) this.#announced.add(`state of ${name}`);
  }

  report(report: Report): void {
    for (const [what, event] of this.#gone) {
      const subject = `${event.subject_type}:${event.subject_id}`;
      if (!this.#announced.has(what))
        report({
          subject,
          detail: `version ${event.version}: its ${what.slice(0, 5)} was removed, and no erasure says so`,
        });
    }
    for (const what of this.#announced) {
      const [type, id, version] = what.slice(9).split(":");
      if (!this.#gone.has(what))
        report({
          subject: `${type}:${id}`,
          detail: `version ${version}: its ${what.slice(0, 5)} was erased, but is there`,
        });
    }
  }
}
