// A PNG (W3C, third edition) of black squares on white, one bit a pixel. The libraries there are take 20 to 200 ms of the thread that
// redirects, for 24 bits a pixel that are all alike; this takes one or two.

import { deflateSync } from "node:zlib";

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
const [GRAYSCALE, ONE_BIT, NO_FILTER] = [0, 1, 0];

/**
 * `modules` is a square, row by row, true for black; each becomes a square of whole pixels, and what is left over of `size` is
 * white around it. `size` is width and height in pixels and at least the number of modules.
 */
export function drawPng(modules: readonly (readonly boolean[])[], size: number): Uint8Array<ArrayBuffer> {
  const scale = Math.floor(size / modules.length);
  const start = Math.floor((size - scale * modules.length) / 2);
  const rowBytes = 1 + Math.ceil(size / 8);
  const pixels = Buffer.alloc(rowBytes * size, 0xff);
  for (let y = 0; y < size; y++) pixels[y * rowBytes] = NO_FILTER;
  for (const [at, row] of modules.entries()) {
    const line = pixels.subarray((start + at * scale) * rowBytes, (start + at * scale + 1) * rowBytes);
    for (const [column, isBlack] of row.entries())
      for (let x = start + column * scale; isBlack && x < start + (column + 1) * scale; x++)
        line[1 + (x >> 3)] = (line[1 + (x >> 3)] as number) & ~(0x80 >> (x & 7));
    for (let copy = 1; copy < scale; copy++) line.copy(pixels, (start + at * scale + copy) * rowBytes);
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(size, 0);
  header.writeUInt32BE(size, 4);
  header.set([ONE_BIT, GRAYSCALE], 8);
  return Uint8Array.from(
    Buffer.concat([
      SIGNATURE,
      chunk("IHDR", header),
      chunk("IDAT", deflateSync(pixels)),
      chunk("IEND", Buffer.alloc(0)),
    ]),
  );
}

/** Length, type, data, and the CRC-32 of both (section 5.3). */
function chunk(type: string, data: Buffer): Buffer {
  const bytes = Buffer.alloc(data.length + 12);
  bytes.writeUInt32BE(data.length, 0);
  bytes.write(type, 4, "latin1");
  data.copy(bytes, 8);
  bytes.writeUInt32BE(Bun.hash.crc32(bytes.subarray(4, data.length + 8)), data.length + 8);
  return bytes;
}
