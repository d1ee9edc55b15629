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
  if (glob !== undefined && /^[*?]*$/.test(glob)) throw badRequest("match.glob: is every link's target");
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

type Asked = Pick<LinkRow, "original_url" | "short_code" | "user_id" | "tags" | "created_at_ms">;

/** `keyId`: of the key that makes or changes the link; undefined where that was looked up before. */
export function matchesLink(match: IncidentMatch, link: Asked, keyId?: number | null): boolean {
  const { host, host_suffix, owner, key, tag, created_between, codes, glob } = match;
  const own = host === undefined && host_suffix === undefined ? null : hostOf(link.original_url);
  if (host !== undefined && own !== host) return false;
  if (host_suffix !== undefined && !(own === host_suffix || own?.endsWith(`.${host_suffix}`))) return false;
  if (owner !== undefined && link.user_id !== owner) return false;
  if (key !== undefined && keyId !== undefined && keyId !== key) return false;
  if (tag !== undefined && !readTexts(link.tags).some((each) => tagKey(each) === tagKey(tag))) return false;
  const [from = 0, until = Number.POSITIVE_INFINITY] = created_between?.map(Date.parse) ?? [];
  if (link.created_at_ms < from || link.created_at_ms >= until) return false;
  if (codes !== undefined && !codes.includes(link.short_code)) return false;
  return glob === undefined || matchesGlob(glob.toLowerCase(), link.original_url.toLowerCase());
}

/** In time of the product of both lengths at the most, whatever is in them: no regular expression. */
export function matchesGlob(pattern: string, value: string): boolean {
  // A character is a code point, as it is to both databases.
  const [glob, text] = [[...pattern], [...value]];
  let [at, star, mark] = [0, -1, 0];
  for (let index = 0; index < text.length; ) {
    const char = glob[at];
    if (char === "*") {
      star = at++;
      mark = index;
    } else if (char !== undefined && (char === "?" || char === text[index])) {
      at += 1;
      index += 1;
    } else if (star !== -1) {
      at = star + 1;
      index = ++mark;
    } else return false;
  }
  while (glob[at] === "*") at += 1;
  return at === glob.length;
}
