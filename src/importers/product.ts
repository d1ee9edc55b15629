// What a product is to an import: how its files are read, and how its API is asked.

import type { Pages } from "./fetch-pages.ts";
import type { Read } from "./source-link.ts";

export interface Product {
  readonly name: string;
  readonly title: string;
  /** What a file of it is. */
  readonly takes: string;
  readonly examples: readonly string[];
  read(path: string, options: ReadOptions): AsyncGenerator<Read>;
  /** How its API is asked for links, where it is. */
  readonly pages?: Pages;
}

export interface ReadOptions {
  /** Of any CSV: the column that each member is in. */
  readonly map: Readonly<Record<string, string>>;
}
