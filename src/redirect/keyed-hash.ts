// SipHash-1-3 of a short Latin-1 text (Aumasson and Bernstein, "SipHash: a fast short-input PRF"): who does not know the key
// cannot make texts that collide. In 32-bit halves, since JavaScript's own integers end there.

import { systemRandom } from "../runtime/random.ts";

/** 128 bits. */
export type HashKey = Uint32Array;

export function drawHashKey(): HashKey {
  const bytes = systemRandom(16);
  return Uint32Array.from({ length: 4 }, (_, word) => Buffer.from(bytes).readUInt32LE(word * 4));
}

/** The high 32 bits of the SipHash-1-3 of the text's characters, each below U+0100. */
export function keyedHash(key: HashKey, text: string): number {
  const k0l = key[0] as number;
  const k0h = key[1] as number;
  const k1l = key[2] as number;
  const k1h = key[3] as number;
  let v0l = k0l ^ 0x70736575;
  let v0h = k0h ^ 0x736f6d65;
  let v1l = k1l ^ 0x6e646f6d;
  let v1h = k1h ^ 0x646f7261;
  let v2l = k0l ^ 0x6e657261;
  let v2h = k0h ^ 0x6c796765;
  let v3l = k1l ^ 0x79746573;
  let v3h = k1h ^ 0x74656462;
  const { length } = text;
  const blocks = length >>> 3;
  // One round for each block of eight characters and for the last one, which holds the rest and the length; then three.
  for (let round = 0; round <= blocks + 3; round++) {
    let ml = 0;
    let mh = 0;
    if (round < blocks) {
      const at = round << 3;
      ml = fourOf(text, at);
      mh = fourOf(text, at + 4);
    } else if (round === blocks) {
      const at = blocks << 3;
      const left = length & 7;
      for (let index = 0; index < left && index < 4; index++) ml |= text.charCodeAt(at + index) << (index << 3);
      for (let index = 4; index < left; index++) mh |= text.charCodeAt(at + index) << ((index - 4) << 3);
      mh |= length << 24;
    } else if (round === blocks + 1) v2l ^= 0xff;
    v3l ^= ml;
    v3h ^= mh;
    // v0 += v1; v1 = rotl(v1, 13) ^ v0; v0 = rotl(v0, 32)
    let low = (v0l >>> 0) + (v1l >>> 0);
    v0h = (v0h + v1h + (low > 0xffffffff ? 1 : 0)) | 0;
    v0l = low | 0;
    let turned = (v1l << 13) | (v1h >>> 19);
    v1h = ((v1h << 13) | (v1l >>> 19)) ^ v0h;
    v1l = turned ^ v0l;
    turned = v0l;
    v0l = v0h;
    v0h = turned;
    // v2 += v3; v3 = rotl(v3, 16) ^ v2
    low = (v2l >>> 0) + (v3l >>> 0);
    v2h = (v2h + v3h + (low > 0xffffffff ? 1 : 0)) | 0;
    v2l = low | 0;
    turned = (v3l << 16) | (v3h >>> 16);
    v3h = ((v3h << 16) | (v3l >>> 16)) ^ v2h;
    v3l = turned ^ v2l;
    // v0 += v3; v3 = rotl(v3, 21) ^ v0
    low = (v0l >>> 0) + (v3l >>> 0);
    v0h = (v0h + v3h + (low > 0xffffffff ? 1 : 0)) | 0;
    v0l = low | 0;
    turned = (v3l << 21) | (v3h >>> 11);
    v3h = ((v3h << 21) | (v3l >>> 11)) ^ v0h;
    v3l = turned ^ v0l;
    // v2 += v1; v1 = rotl(v1, 17) ^ v2; v2 = rotl(v2, 32)
    low = (v2l >>> 0) + (v1l >>> 0);
    v2h = (v2h + v1h + (low > 0xffffffff ? 1 : 0)) | 0;
    v2l = low | 0;
    turned = (v1l << 17) | (v1h >>> 15);
    v1h = ((v1h << 17) | (v1l >>> 15)) ^ v2h;
    v1l = turned ^ v2l;
    turned = v2l;
    v2l = v2h;
    v2h = turned;
    v0l ^= ml;
    v0h ^= mh;
  }
  return (v0h ^ v1h ^ v2h ^ v3h) >>> 0;
}

function fourOf(text: string, at: number): number {
  return (
    text.charCodeAt(at) |
    (text.charCodeAt(at + 1) << 8) |
    (text.charCodeAt(at + 2) << 16) |
    (text.charCodeAt(at + 3) << 24)
  );
}
