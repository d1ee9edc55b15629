// Files and stores that fail when a test wants them to: once, before the write or after it happened.

import { unavailable } from "../../src/errors.ts";
import type { Files, OpenFile } from "../../src/runtime/files.ts";
import type { Store } from "../../src/store/store.ts";

export type Fault = "fails" | "fails after it happened";

/** What is to fail next, by the write's name; taken away as it fails. */
export class Faults {
  #armed: { readonly write: string; readonly fault: Fault } | undefined;
  /** How often something failed. */
  count = 0;

  arm(write: string, fault: Fault): void {
    this.#armed = { write, fault };
  }

  disarm(): void {
    this.#armed = undefined;
  }

  /** Runs the write, and fails where that is wanted. */
  around<T>(write: string, run: () => T): T {
    if (this.#armed?.write !== write) return run();
    const { fault } = this.#armed;
    this.#armed = undefined;
    this.count += 1;
    if (fault === "fails after it happened") run();
    throw Object.assign(new Error(`${write}: injected`), { code: "EIO", syscall: write });
  }

  async aroundAsync<T>(write: string, run: () => Promise<T>): Promise<T> {
    if (this.#armed?.write !== write) return run();
    const { fault } = this.#armed;
    this.#armed = undefined;
    this.count += 1;
    if (fault === "fails after it happened") await run();
    throw unavailable(`${write}: injected`);
  }

  files(files: Files): Files {
    return {
      makeFolder: (path) => this.around("makeFolder", () => files.makeFolder(path)),
      replace: (path, text, options) => this.around("replace", () => files.replace(path, text, options)),
      create: (path, text) => this.around("create", () => files.create(path, text)),
      append: (path, text) => this.around("append", () => files.append(path, text)),
      open: (path) => this.around("open", () => this.#openFile(files.open(path))),
      rename: (from, to) => this.around("rename", () => files.rename(from, to)),
      copy: (from, to) => this.around("copy", () => files.copy(from, to)),
      link: (from, to) => this.around("link", () => files.link(from, to)),
      remove: (path) => this.around("remove", () => files.remove(path)),
      removeIfThere: (path) => this.around("removeIfThere", () => files.removeIfThere(path)),
      removeFolder: (path) => this.around("removeFolder", () => files.removeFolder(path)),
    };
  }

  store(store: Store): Store {
    return {
      ...store,
      begin: (run, options) => this.aroundAsync("commit", () => store.begin(run, options)),
      notify: () => this.aroundAsync("notify", () => store.notify()),
    };
  }

  #openFile(file: OpenFile): OpenFile {
    return {
      append: (bytes) => this.around("append to the open file", () => file.append(bytes)),
      truncate: (bytes) => this.around("truncate", () => file.truncate(bytes)),
      close: () => this.around("close", () => file.close()),
    };
  }
}
