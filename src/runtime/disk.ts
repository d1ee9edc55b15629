// How much room a disk has.

import { statfsSync } from "node:fs";

export interface DiskSpace {
  /** What the process may still write, which is less than what is free where some is kept for root. */
  readonly freeBytes: number;
  readonly sizeBytes: number;
}

/** Of the file system that holds the path; undefined where it cannot be told (statfs(2)). */
export function diskSpace(path: string): DiskSpace | undefined {
  try {
    const { bavail, blocks, bsize } = statfsSync(path);
    return { freeBytes: bavail * bsize, sizeBytes: blocks * bsize };
  } catch {
    return undefined;
  }
}
