// Files in which clicks wait for the store. A file belongs to the process whose id ends its name; when that one is no more,
// whoever renames the file first takes it over.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Files, OpenFile } from "../runtime/files.ts";
import type { Outside } from "../runtime/outside.ts";
import { isAlive } from "../runtime/program.ts";
import { randomName } from "../runtime/random.ts";
import { framesOf } from "./click-frames.ts";

/** The clicks of one flush interval: in its file, and in memory what could not be written to it. */
export class Batch {
  readonly id: string;
  clicks = 0;
  bytes = 0;
  /** Of those, what is in memory only. */
  unwrittenBytes = 0;
  readonly #path: string;
  readonly #files: Files;
  readonly #hasFile: boolean;
  #file: OpenFile | undefined;
  #written = 0;
  #unwritten: Uint8Array[] = [];

  /** `file` is what frames are appended to, "sealed" where it is complete, nothing where there is none. */
  constructor(id: string, place: { readonly path: string; readonly files: Files }, file?: OpenFile | "sealed") {
    this.id = id;
    this.#path = place.path;
    this.#files = place.files;
    this.#hasFile = file !== undefined;
    this.#file = file === "sealed" ? undefined : file;
  }

  /** Throws what kept the frame out of the file; it and all that follow are then kept in memory. */
  append(frame: Uint8Array, clicks: number): void {
    this.clicks += clicks;
    this.bytes += frame.length;
    if (this.#file === undefined) {
      this.#keep(frame);
      return;
    }
    try {
      if (this.#file.append(frame) < frame.length) throw new Error("the disk took only a part");
      this.#written += frame.length;
    } catch (error) {
      this.#keep(frame);
      this.#cutBack();
      throw error;
    }
  }

  get isInMemory(): boolean {
    return this.#file === undefined;
  }

  /** Nothing more is appended to the file. */
  seal(): void {
    const file = this.#file;
    this.#file = undefined;
    file?.close();
  }

  /** All of it; less where the file has gone. Throws where it is there and cannot be read. */
  read(): Uint8Array {
    return Buffer.concat([this.#hasFile ? readIfThere(this.#path) : new Uint8Array(), ...this.#unwritten]);
  }

  /** False where there was no file to remove. Throws where it stays: the next start would then take it up again. */
  remove(): boolean {
    try {
      if (this.#hasFile) this.#files.remove(this.#path);
      return this.#hasFile;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  /** A part of a frame would make what follows unreadable. */
  #cutBack(): void {
    try {
      this.#file?.truncate(this.#written);
    } finally {
      this.seal();
    }
  }

  #keep(frame: Uint8Array): void {
    this.#unwritten.push(frame);
    this.unwrittenBytes += frame.length;
  }
}

export class Spool {
  readonly #folder: string;
  readonly #outside: Outside;

  constructor(folder: string, outside: Outside) {
    this.#folder = folder;
    this.#outside = outside;
  }

  /** Throws where no file can be made; `inMemory` does without. */
  create(): Batch {
    const { files } = this.#outside;
    const { id, path } = this.#name();
    files.makeFolder(this.#folder);
    return new Batch(id, { path, files }, files.open(path));
  }

  inMemory(): Batch {
    const { id, path } = this.#name();
    return new Batch(id, { path, files: this.#outside.files });
  }

  /** Takes over what processes that are no more have left, oldest first; `own` are the ids that this one has in hand. */
  adopt(own: ReadonlySet<string>): Batch[] {
    return namesIn(this.#folder)
      .sort()
      .flatMap((name) => this.#claim(name, own) ?? []);
  }

  /** Names sort by time, so that what was left is taken up in order. */
  #name(): { id: string; path: string } {
    const { clock, randomBytes } = this.#outside;
    const id = `${clock.now().toString(36).padStart(9, "0")}-${randomName(randomBytes, 6)}`;
    return { id, path: this.#pathOf(id) };
  }

  #pathOf(id: string): string {
    return join(this.#folder, `${id}.${process.pid}`);
  }

  #claim(name: string, own: ReadonlySet<string>): Batch | undefined {
    const [, id, pid] = /^([\w-]+)\.(\d+)$/.exec(name) ?? [];
    if (id === undefined || own.has(id)) return undefined;
    // In a container an earlier process may well have had this one's id.
    if (Number(pid) !== process.pid && isAlive(Number(pid))) return undefined;
    const { files } = this.#outside;
    const path = this.#pathOf(id);
    try {
      files.rename(join(this.#folder, name), path);
    } catch {
      // Another process was first.
      return undefined;
    }
    try {
      return readBatch(id, { path, files });
    } catch {
      // It stays, under this process's name, and is tried again with the next look.
      return undefined;
    }
  }
}

function readBatch(id: string, place: { readonly path: string; readonly files: Files }): Batch {
  const batch = new Batch(id, place, "sealed");
  const bytes = batch.read();
  batch.bytes = bytes.length;
  for (const { clicks } of framesOf(bytes)) batch.clicks += clicks;
  return batch;
}

function readIfThere(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    if (isMissing(error)) return new Uint8Array();
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  return (error as { code?: unknown }).code === "ENOENT";
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    // No folder yet: nothing was left behind.
    return [];
  }
}
