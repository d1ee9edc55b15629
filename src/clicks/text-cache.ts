// What was found out about a text, such as a header a stranger sent: a fixed number of slots, one for each text by its hash.
// Texts that meet push one another out, and cost what finding out costs; nothing grows, and no lookup is longer than one.

/** A power of two of slots for texts of at most `chars` characters: what is longer is cut. */
export class TextCache<Value> {
  readonly #texts: (string | undefined)[];
  readonly #values: Value[] = [];
  readonly #chars: number;
  readonly #read: (text: string) => Value;

  constructor(slots: number, chars: number, read: (text: string) => Value) {
    this.#texts = new Array(slots).fill(undefined);
    this.#chars = chars;
    this.#read = read;
  }

  get(whole: string): Value {
    const text = whole.length > this.#chars ? whole.slice(0, this.#chars) : whole;
    const slot = Bun.hash.xxHash32(text) & (this.#texts.length - 1);
    if (this.#texts[slot] === text) return this.#values[slot] as Value;
    const value = this.#read(text);
    // A copy: a slice would keep alive all of what it was cut from.
    this.#texts[slot] = Buffer.from(text, "latin1").toString("latin1");
    this.#values[slot] = value;
    return value;
  }

  clear(): void {
    this.#texts.fill(undefined);
    this.#values.length = 0;
  }
}
