// Writing the files that matter beside the store: the remembered checkpoint, the spool, the warm set, the log key, backups.
// It comes in from outside, so that a test can make a write fail, or fail after it happened.

import {
  appendFileSync,
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";

/** All that are made are 0600, folders 0700. Each throws as the system says, with `code` (errno(3)). */
export interface Files {
  makeFolder(path: string): void;
  /** The whole of a file, or the file as it was; `isSynced`: on the disk when this returns; `isPublic`: 0644. */
  replace(
    path: string,
    text: string | Uint8Array,
    options?: { readonly isSynced?: boolean; readonly isPublic?: boolean },
  ): void;
  /** A file where there is none, whole or not at all. Throws EEXIST. */
  create(path: string, text: string): void;
  append(path: string, text: string): void;
  /** A file to append to where there is none. Throws EEXIST. */
  open(path: string): OpenFile;
  rename(from: string, to: string): void;
  /** Throws EEXIST. */
  copy(from: string, to: string): void;
  /** The file under another name as well, or a copy of it where the file system has no hard links. Throws EEXIST. */
  link(from: string, to: string): void;
  /** Throws ENOENT. */
  remove(path: string): void;
  /** The same, where there is one. */
  removeIfThere(path: string): void;
  /** With all that is in it, where there is one. */
  removeFolder(path: string): void;
}

export interface OpenFile {
  /** How many of the bytes the disk took. */
  append(bytes: Uint8Array): number;
  truncate(bytes: number): void;
  close(): void;
}

const PRIVATE = 0o600;
const PUBLIC = 0o644;

export const systemFiles: Files = {
  makeFolder(path) {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  },
  replace(path, text, { isSynced = false, isPublic = false } = {}) {
    const draft = `${path}.${process.pid}`;
    const file = openSync(draft, "w", isPublic ? PUBLIC : PRIVATE);
    try {
      writeFileSync(file, text);
      if (isSynced) fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(draft, path);
  },
  create(path, text) {
    const draft = `${path}.${crypto.randomUUID().slice(0, 8)}`;
    writeFileSync(draft, text, { mode: PRIVATE, flag: "wx" });
    try {
      linkSync(draft, path);
    } finally {
      unlinkSync(draft);
    }
  },
  append(path, text) {
    appendFileSync(path, text, { mode: PRIVATE });
  },
  open(path) {
    const file = openSync(path, "wx", PRIVATE);
    return {
      append: (bytes) => writeSync(file, bytes),
      truncate: (bytes) => ftruncateSync(file, bytes),
      close: () => closeSync(file),
    };
  },
  rename: renameSync,
  copy(from, to) {
    copyFileSync(from, to, constants.COPYFILE_EXCL);
    chmodSync(to, PRIVATE);
  },
  link(from, to) {
    try {
      linkSync(from, to);
    } catch (error) {
      if ((error as { code?: string }).code === "EEXIST") throw error;
      systemFiles.copy(from, to);
    }
  },
  remove: unlinkSync,
  removeIfThere(path) {
    rmSync(path, { force: true });
  },
  removeFolder(path) {
    rmSync(path, { recursive: true, force: true });
  },
};
