// Rules every piece of text obeys before it may be stored. Pure.

import { badRequest } from "../errors.ts";

/**
 * The text, trimmed, if it is storable on both engines: well-formed Unicode without control characters (PostgreSQL
 * cannot hold NUL; lone surrogates have no UTF-8 form). Length is in code points. Throws bad_request naming `field`.
 */
export function cleanText(field: string, text: string, maxChars: number): string {
  const trimmed = text.trim();
  if (!trimmed.isWellFormed()) throw badRequest(`${field}: must be well-formed Unicode, without lone surrogates`);
  if (hasControlCharacter(trimmed)) throw badRequest(`${field}: must not contain control characters`);
  // A string never has fewer UTF-16 units than code points, so the cheap test comes first.
  if (trimmed.length > maxChars && [...trimmed].length > maxChars)
    throw badRequest(`${field}: must be at most ${maxChars} characters`);
  return trimmed;
}

export function hasControlCharacter(text: string): boolean {
  return /\p{Cc}/u.test(text);
}
