// The tree as the store holds it: tiles for whoever computes roots and proofs.

import { listLeafHashes, listNodeHashes } from "../store/queries/log.ts";
import type { Sql } from "../store/store.ts";
import { CheckpointError } from "../tlog/note.ts";
import { TILE_WIDTH, type TileReader, tilePath } from "../tlog/tiles.ts";

/** Rejects with CheckpointError where the store lacks a hash that the tree must have. */
export function storedTiles(sql: Sql): TileReader {
  return async (tile) => {
    const start = tile.index * TILE_WIDTH;
    const end = start + tile.width;
    const rows = await (tile.level === 0
      ? listLeafHashes(sql, start, end)
      : listNodeHashes(sql, tile.level, start, end));
    if (rows.length !== tile.width) throw new CheckpointError(`the store lacks hashes of ${tilePath(tile)}`);
    return Buffer.concat(rows.map(({ hash }) => hash));
  };
}
