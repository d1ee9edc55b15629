// The hottest links in a small file outside of the database, so that a process that starts while the database is down still
// serves them. Written now and then and at the end; a code that is evicted meanwhile is struck out at once.

import { existsSync, readFileSync } from "node:fs";
import { LIMITS } from "../limits.ts";
import { locationOf, templateLocationOf } from "../model/target.ts";
import type { Outside } from "../runtime/outside.ts";
import type { RedirectCache } from "./cache.ts";
import type { CachedLink, RedirectOptions } from "./cached-link.ts";

/** What a file says of the moment it was written: up to where, and until when, the log had been heard. Earlier releases leave epoch and told out. */
export interface WarmHeader {
  readonly origin: string;
  /** Index of the next entry of the log, in which epoch, and the leaf hash of the one before it in base64. */
  readonly next: number;
  readonly epoch?: number;
  readonly told?: string;
  readonly heard_at_ms: number;
}

export interface WarmLinks extends WarmHeader {
  readonly links: readonly (readonly [string, CachedLink])[];
}

export class WarmSet {
  readonly #path: string;
  readonly #outside: Outside;
  /** Codes that the file names now. */
  #codes = new Set<string>();

  constructor(path: string, outside: Outside) {
    this.#path = path;
    this.#outside = outside;
  }

  /** Undefined where there is no file, or none that can be read as this log's. */
  read(origin: string): WarmLinks | undefined {
    if (!existsSync(this.#path)) return undefined;
    try {
      const [first = "", ...lines] = readFileSync(this.#path, "utf8").trimEnd().split("\n");
      const header = JSON.parse(first) as WarmHeader;
      if (header.origin !== origin || !Number.isSafeInteger(header.next) || !Number.isFinite(header.heard_at_ms))
        return undefined;
      const links = new Map<string, CachedLink>();
      for (const line of lines) {
        const [code, urlId, expiresAtMs, location, version = 0, options] = JSON.parse(line) as [
          string,
          number?,
          (number | null)?,
          string?,
          number?,
          RedirectOptions?,
        ];
        if (urlId === undefined || location === undefined) links.delete(code);
        else {
          // Earlier releases wrote the target's UTF-8 bytes, one character a byte.
          const text = Buffer.from(location, "latin1").toString();
          const target = options?.forward === "template" ? templateLocationOf(text) : locationOf(text);
          const where = { urlId, expiresAtMs: expiresAtMs ?? null, location: target, version, options };
          links.set(code, { outcome: "found", ...where, cachedAtMs: header.heard_at_ms });
        }
      }
      this.#codes = new Set(links.keys());
      // A time to come would let an outage last for ever: the clock was set back, or somebody wrote it.
      return { ...header, heard_at_ms: Math.min(header.heard_at_ms, this.#outside.clock.now()), links: [...links] };
    } catch {
      // A file cut short by a crash: what cannot be read is not believed, and the next write replaces it.
      return undefined;
    }
  }

  write(header: WarmHeader, cache: RedirectCache): void {
    const lines = [JSON.stringify(header)];
    const codes = new Set<string>();
    for (const [code, link] of cache.recent(LIMITS.warmLinks)) {
      const { outcome, urlId, expiresAtMs, location, version, options } = link;
      if (outcome !== "found") continue;
      codes.add(code);
      lines.push(JSON.stringify([code, urlId, expiresAtMs, location, version, ...(options ? [options] : [])]));
    }
    this.#outside.files.replace(this.#path, `${lines.join("\n")}\n`);
    this.#codes = codes;
  }

  remove(): void {
    this.#outside.files.removeIfThere(this.#path);
    this.#codes.clear();
  }

  /** Before anybody is told of the change: a restart must not bring a deleted link back. */
  strike(code: string): void {
    if (this.#codes.delete(code)) this.append(code);
  }

  /** The same for a process that does not keep the file and so cannot know whether it names the code. */
  append(code: string): void {
    if (existsSync(this.#path)) this.#outside.files.append(this.#path, `${JSON.stringify([code])}\n`);
  }
}
