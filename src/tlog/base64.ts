// Base64 as notes and proofs have it.

/** The bytes of a base64 text (RFC 4648 section 4); undefined for any other text. */
export function bytesOfBase64(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.fromBase64(text);
  } catch {
    return undefined;
  }
}
