// A link's tags: labels that people give it, compared without case. Pure.

import { badRequest } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { NO_TEXTS } from "./field.ts";
import { cleanText } from "./text.ts";

/** As tags are compared, looked up and sorted. */
export function tagKey(tag: string): string {
  return tag.toLowerCase().normalize("NFC");
}

/** Throws bad_request for what is no tag. A comma would end it in a list. */
export function checkTag(text: string): string {
  const tag = cleanText("tags", text.normalize("NFC"), LIMITS.tagChars);
  if (tag === "") throw badRequest("tags: a tag must not be empty");
  if (tag.includes(",")) throw badRequest(`tags: ${JSON.stringify(tag)} must not contain a comma`);
  return tag;
}

/** In NFC, sorted and each once, compared without case; of two that differ by case the first is kept. */
export function checkTags(texts: readonly string[]): string[] {
  if (texts.length === 0) return NO_TEXTS;
  const byKey = new Map<string, string>();
  for (const text of texts) {
    const tag = checkTag(text);
    if (!byKey.has(tagKey(tag))) byKey.set(tagKey(tag), tag);
  }
  if (byKey.size > LIMITS.tagsPerLink) throw badRequest(`tags: a link has at most ${LIMITS.tagsPerLink}`);
  return [...byKey].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, tag]) => tag);
}

/** `from` becomes `to`, where it is among them. */
export function replaceTag(tags: readonly string[], from: string, to: string): string[] {
  const kept = tags.filter((tag) => tagKey(tag) !== tagKey(from));
  return kept.length === tags.length ? [...tags] : checkTags([to, ...kept]);
}
