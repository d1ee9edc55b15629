// Reads a request's body: JSON, UTF-8, bounded in bytes and depth, without repeated members. Throws the matching 4xx.

import { badRequest, DeadletterError } from "../errors.ts";
import { LIMITS } from "../limits.ts";

/** The parsed body; an empty one reads as `{}`, so that what is missing is named by the route's own schema. */
export async function readJsonBody(request: Request): Promise<unknown> {
  const bytes = await readBytes(request);
  if (bytes.length === 0) return {};
  checkMediaType(request.headers);
  return parseJson(decodeUtf8(bytes));
}

async function readBytes(request: Request): Promise<Uint8Array> {
  const announced = request.headers.get("content-length");
  if (Number(announced ?? 0) > LIMITS.bodyBytes) throw tooLarge();
  // The server holds a body to the length that it announces (RFC 9112 section 6.2): read whole it costs a third.
  if (announced !== null && !request.headers.has("transfer-encoding")) return request.bytes();
  if (!request.body) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let size = 0;
  // A chunked body announces no length, so it is counted as it comes (RFC 9112 section 7.1).
  for await (const chunk of request.body) {
    size += chunk.length;
    if (size > LIMITS.bodyBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooLarge(): DeadletterError {
  return new DeadletterError("payload_too_large", `the body must be at most ${LIMITS.bodyBytes} bytes`);
}

function checkMediaType(headers: Headers): void {
  const [type = "", ...parameters] = (headers.get("content-type") ?? "")
    .toLowerCase()
    .split(";")
    .map((part) => part.trim());
  const charset = parameters
    .find((parameter) => parameter.startsWith("charset="))
    ?.slice(8)
    .replaceAll('"', "");
  const encoding = headers.get("content-encoding")?.toLowerCase() ?? "identity";
  if (encoding !== "identity" || (charset !== undefined && charset !== "utf-8"))
    throw new DeadletterError("unsupported_media_type", "the body must be UTF-8 without a content encoding");
  if (type !== "" && type !== "application/json" && !/^application\/[^/]+\+json$/.test(type))
    throw new DeadletterError(
      "unsupported_media_type",
      `the body must be application/json, not ${JSON.stringify(type.slice(0, 100))}`,
    );
}

/** Whole texts only, so it keeps nothing from one to the next. */
const UTF8 = new TextDecoder("utf-8", { fatal: true });

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes);
  } catch {
    throw badRequest("the body is not UTF-8");
  }
}

export function parseJson(text: string): unknown {
  checkShape(text);
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw badRequest("the body is not JSON");
  }
}

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c];
const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_ARRAY, CLOSE_ARRAY] = [0x7b, 0x7d, 0x5b, 0x5d];

/**
 * JSON.parse overflows its stack on deep input and lets the last of two equal members win (RFC 8259 section 4). Strings and
 * structure are enough to count depth and see members, since JSON.parse judges the rest.
 */
function checkShape(text: string): void {
  const open: (Set<string> | null)[] = [];
  let isMemberNext = false;
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === QUOTE) {
      const end = endOfString(text, at);
      if (isMemberNext) addMember(open.at(-1) ?? new Set(), text.slice(at, end + 1));
      isMemberNext = false;
      at = end;
    } else if (char === OPEN_OBJECT || char === OPEN_ARRAY) {
      open.push(char === OPEN_OBJECT ? new Set() : null);
      if (open.length > LIMITS.jsonDepth) throw badRequest(`the body is nested deeper than ${LIMITS.jsonDepth} levels`);
      isMemberNext = char === OPEN_OBJECT;
    } else if (char === CLOSE_OBJECT || char === CLOSE_ARRAY) {
      open.pop();
      isMemberNext = false;
    } else if (char === COMMA) isMemberNext = (open.at(-1) ?? null) !== null;
  }
}

/** Where the string that begins at `start` has its last quote; the text's end for one that never ends. */
function endOfString(text: string, start: number): number {
  for (let at = start; ; ) {
    at = text.indexOf('"', at + 1);
    if (at === -1) return text.length;
    let escapes = 0;
    while (text.charCodeAt(at - 1 - escapes) === BACKSLASH) escapes += 1;
    if (escapes % 2 === 0) return at;
  }
}

function addMember(members: Set<string>, token: string): void {
  const member = decodeMember(token);
  if (members.has(member)) throw badRequest(`the body has the member ${token.slice(0, 100)} twice`);
  // An object with it would pass for one without, since its schema never sees it as a member of its own.
  if (member === "__proto__") throw badRequest("__proto__: is not a member this request knows");
  members.add(member);
}

/** Two spellings of one member (`"a"` and `"\\u0061"`) are the same member. */
function decodeMember(token: string): string {
  if (!token.includes("\\")) return token.slice(1, -1);
  try {
    return JSON.parse(token) as string;
  } catch {
    return token;
  }
}
