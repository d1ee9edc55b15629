// Which links an incident is about: what they have in common, said once, and asked of a row or, as a condition, of the store. Pure.

import { type Static, Type } from "@sinclair/typebox";
import { badRequest } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { isCode } from "./code.ts";
import { readTexts } from "./field.ts";
import type { LinkRow } from "./link.ts";
import { Id, strict } from "./schema.ts";
import { checkTag, tagKey } from "./tags.ts";
import { hostOf } from "./target.ts";
import { cleanText } from "./text.ts";
import { parseTime } from "./time.ts";

/** All members that are there must hold. */
export const IncidentMatch = Type.Object(
  {
    host: Type.Optional(Type.String({ description: "that links lead to" })),
    host_suffix: Type.Optional(Type.String({ description: "a host and all below it" })),
    owner: Type.Optional(Type.Integer({ ...Id, description: "a user's id" })),
    key: Type.Optional(Type.Integer({ ...Id, description: "the key that links were made with" })),
    tag: Type.Optional(Type.String()),
    created_between: Type.Optional(
      Type.Array(Type.String({ description: "RFC 3339" }), {
        minItems: 2,
        maxItems: 2,
        description: "from, included, and until, excluded",
      }),
    ),
    codes: Type.Optional(Type.Array(Type.String(), { minItems: 1, maxItems: LIMITS.incidentCodes })),
    glob: Type.Optional(
      Type.String({ description: "of the target, without case: * stands for any text, ? for one character" }),
    ),
  },
  strict,
);
export type IncidentMatch = Static<typeof IncidentMatch>;

/** What matches all of these matches everything. */
const EVERYTHING = ["https://a.example/", "http://b.invalid/c?d=e", "https://xn--f-0ga.test:8080/%20"];

/** In the one spelling by which links are held against it. Throws bad_request for what matches nothing, or everything. */
export function checkMatch(match: IncidentMatch): IncidentMatch {
  const { host, host_suffix, tag, created_between, codes, glob, ...same } = match;
  if (Object.keys(match).length === 0)
    throw badRequest(
      "match: must say which links",
      "name at least one of host, host_suffix, owner, key, tag, codes, glob",
    );
  if (Object.keys(match).join() === "created_between")
    throw badRequest("match: created_between alone is every link of that time", "say what else they have in common");
  if (glob !== undefined && EVERYTHING.every((target) => matchesGlob(foldAscii(glob), target)))
    throw badRequest("match.glob: is every link's target");
  const times = created_between?.map((text) => parseTime("match.created_between", text)) ?? [];
  if (times.length === 2 && (times[0] as number) >= (times[1] as number))
    throw badRequest("match.created_between: must end after it begins");
  const wrong = codes?.find((code) => !isCode(code));
  if (wrong !== undefined) throw badRequest(`match.codes: ${JSON.stringify(wrong.slice(0, 100))} is no code`);
  return {
    ...same,
    ...(host === undefined ? {} : { host: checkHost("match.host", host) }),
    ...(host_suffix === undefined
      ? {}
      : { host_suffix: checkHost("match.host_suffix", host_suffix.replace(/^\*?\./, "")) }),
    ...(tag === undefined ? {} : { tag: checkTag(tag) }),
    ...(created_between === undefined ? {} : { created_between: times.map((ms) => new Date(ms).toISOString()) }),
    ...(codes === undefined ? {} : { codes: [...new Set(codes)].sort() }),
    ...(glob === undefined ? {} : { glob: cleanText("match.glob", glob, LIMITS.globChars) }),
  };
}

/** As targets' hosts are looked up (target.ts): lower case, ASCII. */
function checkHost(field: string, text: string): string {
  const host = /[/?#@\s]/.test(text) ? null : hostOf(`http://${text.trim()}/`);
  if (host === null)
    throw badRequest(`${field}: ${JSON.stringify(text.slice(0, 100))} is not a host such as evil.example`);
  return host;
}

type Asked = Pick<LinkRow, "original_url" | "short_code" | "user_id" | "tags" | "created_at_ms"> & {
  readonly incident_id?: number | null;
};

/** Of the match that is asked, where it says which key a link was made with. */
export interface MatchOptions {
  readonly incidentId?: number;
  /** With which a link is made now. Without it the link is there: it was made so if that incident took it down. */
  readonly keyId?: number | null | undefined;
  /** Whether that was looked up before. */
  readonly isOfKey?: boolean;
}

export function matchesLink(
  match: IncidentMatch,
  link: Asked,
  { incidentId, keyId, isOfKey }: MatchOptions = {},
): boolean {
  const { host, host_suffix, owner, key, tag, created_between, codes, glob } = match;
  const own = host === undefined && host_suffix === undefined ? null : hostOf(link.original_url);
  if (host !== undefined && own !== host) return false;
  if (host_suffix !== undefined && !(own === host_suffix || own?.endsWith(`.${host_suffix}`))) return false;
  if (owner !== undefined && link.user_id !== owner) return false;
  if (key !== undefined && isOfKey !== true && (keyId === undefined ? link.incident_id !== incidentId : keyId !== key))
    return false;
  if (tag !== undefined && !readTexts(link.tags).some((each) => tagKey(each) === tagKey(tag))) return false;
  const [from = 0, until = Number.POSITIVE_INFINITY] = created_between?.map(Date.parse) ?? [];
  if (link.created_at_ms < from || link.created_at_ms >= until) return false;
  if (codes !== undefined && !codes.includes(link.short_code)) return false;
  return glob === undefined || matchesGlob(foldAscii(glob), foldAscii(link.original_url));
}

/** Letters of other alphabets keep their case: databases do not agree on theirs. */
export function foldAscii(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/**
 * `*` is any text, `?` one code point, as both databases count. No regular expression: what stands between two stars is looked for
 * once, from left to right.
 */
export function matchesGlob(glob: string, text: string): boolean {
  const [first = "", ...rest] = glob.split(/\*+/);
  let at = endOfPart(first, text, 0);
  const last = rest.pop();
  if (last === undefined) return at === text.length;
  for (const part of rest) {
    if (at === -1) return false;
    at = findPart(part, text, at);
  }
  if (at === -1) return false;
  for (let start = text.length - last.length * 2; start <= text.length; start++)
    if (start >= at && endOfPart(last, text, start) === text.length) return true;
  return false;
}

/** Behind the first place from `from` on where the part, which has no star, is; -1 where it is nowhere. */
function findPart(part: string, text: string, from: number): number {
  if (!part.includes("?")) {
    const found = text.indexOf(part, from);
    return found === -1 ? -1 : found + part.length;
  }
  for (let start = from; start <= text.length; start++) {
    const end = endOfPart(part, text, start);
    if (end !== -1) return end;
  }
  return -1;
}

/** Behind the part, which has no star, at that very place; -1 where it is not there. */
function endOfPart(part: string, text: string, start: number): number {
  let at = start;
  for (const char of part) {
    const found = text.codePointAt(at);
    if (found === undefined || (char !== "?" && found !== char.codePointAt(0))) return -1;
    at += found > 0xffff ? 2 : 1;
  }
  return at;
}

/** `host evil.example, tag promo` */
export function describeMatch({ created_between: [from, until] = [], ...match }: IncidentMatch): string {
  const since = from === undefined || from === FIRST ? [] : [`made since ${from}`];
  const before = until === undefined || until === LAST ? [] : [`made before ${until}`];
  const what = Object.entries(match).map(([name, value]) => `${name.replaceAll("_", "-")} ${[value].flat().join(" ")}`);
  return [...what, ...since, ...before].join(", ");
}

/** Where only one end of a time is named: as the server writes them. */
const [FIRST, LAST] = ["1970-01-01T00:00:00.000Z", "9999-12-31T00:00:00.000Z"];
