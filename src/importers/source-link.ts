// A link as another product had it, before it is held against the rules here.

import { createHash } from "node:crypto";
import { LIMITS } from "../limits.ts";
import { checkCode } from "../model/code.ts";
import type { Forward, QueryWinner } from "../model/forward.ts";
import type { LinkStatus } from "../model/link.ts";

export interface SourceLink {
  readonly short_code: string;
  readonly original_url: string;
  readonly title?: string;
  readonly tags?: readonly string[];
  readonly is_active?: boolean;
  /** RFC 3339. */
  readonly created_at?: string;
  readonly updated_at?: string;
  readonly starts_at?: string | null;
  readonly expires_at?: string | null;
  readonly status?: LinkStatus;
  readonly max_age?: number | null;
  readonly forward?: Forward;
  readonly query_wins?: QueryWinner;
  readonly clicks?: number;
  /** What it had and no link here can have: `domain links.example`, `limit of 5 visits`. */
  readonly lost?: readonly string[];
}

/** A link, or why there is none. */
export interface Read {
  /** For whoever has to mend it: `line 3`, `element 4`, `page 2, element 7`. */
  readonly place: string;
  readonly link?: SourceLink;
  readonly refusal?: string;
}

/** A code for one that no link here can have; the same for the same, so that a second run knows it. */
export function proposeCode(code: string): string {
  const kept = code
    .replace(/[^A-Za-z0-9_-]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, LIMITS.codeMaxChars - 5);
  const proposed = `${kept === "" ? "link" : kept}-${createHash("sha256").update(code).digest("hex").slice(0, 4)}`;
  return /^[\d-]+$/.test(proposed) ? checkCode(`x${proposed}`) : checkCode(proposed);
}
