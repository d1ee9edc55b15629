// Hashes some full tiles of the log again each time it is asked, others each time: what nobody reads must not rot unseen.

import { LIMITS } from "../../limits.ts";
import { sha256 } from "../../runtime/sha256.ts";
import { listNodeHashes, readLogHead } from "../../store/queries/log.ts";
import type { Store } from "../../store/store.ts";
import { Frontier, HASH_BYTES, isSameHash } from "../../tlog/merkle.ts";
import { CheckpointError } from "../../tlog/note.ts";
import { TILE_WIDTH } from "../../tlog/tiles.ts";
import { storedTiles } from "../stored-tree.ts";

/** LIMITS.scrubTiles from tile `from` on, around the end; where the next call begins. Throws CheckpointError for one that was changed. */
export async function scrub(store: Store, from: number): Promise<number> {
  const tiles = Math.floor(((await store.read(readLogHead))[0]?.size ?? 0) / TILE_WIDTH);
  for (let count = 0; count < Math.min(tiles, LIMITS.scrubTiles); count++) {
    const index = (from + count) % tiles;
    const [stored] = await store.read((sql) => listNodeHashes(sql, 1, index, index + 1));
    const made = await store.read(async (sql) =>
      hashOfTile(await storedTiles(sql)({ level: 0, index, width: TILE_WIDTH })),
    );
    if (!stored || !isSameHash(stored.hash, made))
      throw new CheckpointError(`entries ${index * TILE_WIDTH} to ${(index + 1) * TILE_WIDTH - 1} were changed`);
  }
  return tiles === 0 ? 0 : (from + LIMITS.scrubTiles) % tiles;
}

/** The root of a full tile's 256 hashes. */
function hashOfTile(tile: Uint8Array): Uint8Array {
  const frontier = new Frontier(sha256);
  for (let at = 0; at < tile.length; at += HASH_BYTES) frontier.append(tile.subarray(at, at + HASH_BYTES));
  return frontier.root;
}
