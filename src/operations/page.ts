// A page of a list: one row more than it holds was read, and its presence is the proof that there is a next page.

export interface Page<Item> {
  readonly items: Item[];
  /** Where the page after begins; undefined on the last. */
  readonly next: number[] | undefined;
}

export function pageOf<Row, Item>(
  rows: readonly Row[],
  limit: number,
  show: (row: Row) => Item,
  placeOf: (row: Row) => number[],
): Page<Item> {
  const last = rows.length > limit ? rows[limit - 1] : undefined;
  return { items: rows.slice(0, limit).map(show), next: last && placeOf(last) };
}
