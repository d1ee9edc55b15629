// Codes: which can exist, which are the server's own, and how one is drawn. Pure.

import { badRequest } from "../errors.ts";
import { LIMITS } from "../limits.ts";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/** First path segments that are, or may become, the server's own; compared without case. */
export const RESERVED_CODES: ReadonlySet<string> = new Set(
  `admin api assets docs events favicon health healthz help keys livez log login logout metrics openapi r readyz
   robots static stats status urls users version whoami`.split(/\s+/),
);

export function isReservedCode(code: string): boolean {
  return RESERVED_CODES.has(code.toLowerCase());
}

/** The only codes that can exist; a path segment that fails this is not looked up. */
export function isCode(text: string): boolean {
  return /^[A-Za-z0-9_-]{3,64}$/.test(text) && !/^\d+$/.test(text);
}

/** Digits that fit a safe integer: larger ids cannot exist. */
export function isId(text: string): boolean {
  return /^[0-9]{1,15}$/.test(text);
}

/** Throws bad_request unless `code` may be given to a link. */
export function checkCode(code: string): string {
  const { codeMinChars, codeMaxChars } = LIMITS;
  if (/^\d+$/.test(code)) throw badRequest("short_code: must not be all digits, which would read as an id");
  if (!isCode(code))
    throw badRequest(`short_code: must be ${codeMinChars} to ${codeMaxChars} characters of A-Z a-z 0-9 _ -`);
  if (isReservedCode(code)) throw badRequest(`short_code: "${code}" is a reserved word`);
  return code;
}

/** Six characters, at least one a letter, never a reserved word. `randomBytes` must be cryptographically secure. */
export function generateCode(randomBytes: (size: number) => Uint8Array): string {
  for (;;) {
    let code = "";
    while (code.length < LIMITS.generatedCodeChars) {
      for (const byte of randomBytes(LIMITS.generatedCodeChars)) {
        // 248 is the largest multiple of 62 below 256: bytes past it would favour the first letters.
        if (byte < 248 && code.length < LIMITS.generatedCodeChars) code += ALPHABET.charAt(byte % ALPHABET.length);
      }
    }
    if (/[A-Za-z]/.test(code) && !isReservedCode(code)) return code;
  }
}

/** Codes that somebody may have meant who wrote this one, the likeliest first: of another case, or one slip away. */
export function nearCodes(code: string): readonly string[] {
  // What is much longer than a code is near to none, and there would be a great many.
  if (code.length > LIMITS.codeMaxChars + 1) return [];
  const near = new Set([code.toLowerCase(), code.toUpperCase()]);
  for (let at = 0; at < code.length; at++) near.add(code.slice(0, at) + swapCase(code.charAt(at)) + code.slice(at + 1));
  for (let at = 0; at + 1 < code.length; at++)
    near.add(code.slice(0, at) + code.charAt(at + 1) + code.charAt(at) + code.slice(at + 2));
  for (let at = 0; at < code.length; at++) near.add(code.slice(0, at) + code.slice(at + 1));
  for (const char of `${ALPHABET}_-`)
    for (let at = 0; at <= code.length; at++) {
      near.add(code.slice(0, at) + char + code.slice(at + 1));
      near.add(code.slice(0, at) + char + code.slice(at));
    }
  near.delete(code);
  return [...near].filter(isCode);
}

function swapCase(char: string): string {
  return char === char.toLowerCase() ? char.toUpperCase() : char.toLowerCase();
}
