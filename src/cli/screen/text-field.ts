// A line of text that is being typed: characters, the cursor, and the usual keys (readline(3)'s).

import type { Key } from "./keys.ts";

export class TextField {
  #before: string[] = [];
  #after: string[] = [];
  readonly #mostChars: number;

  constructor(mostChars: number, text = "") {
    this.#mostChars = mostChars;
    this.#before = [...text].slice(0, mostChars);
  }

  get text(): string {
    return [...this.#before, ...this.#after].join("");
  }

  /** Columns before the cursor. */
  get cursor(): number {
    return Bun.stringWidth(this.#before.join(""));
  }

  /** The text, or what stands at its end where it is longer than `width`. */
  tail(width: number): string {
    return this.#isLong(width) ? `…${[...this.text].slice(1 - width).join("")}` : this.text;
  }

  /** Where the cursor stands in that. */
  cursorIn(width: number): number {
    return this.#isLong(width) ? Math.max(0, width - Bun.stringWidth(this.#after.join(""))) : this.cursor;
  }

  #isLong(width: number): boolean {
    return this.#before.length + this.#after.length > width;
  }

  clear(): void {
    this.#before = [];
    this.#after = [];
  }

  /** Whether the key meant something here. */
  press(key: Key): boolean {
    if (key.type === "paste") {
      // A line of text is one line, whatever was copied.
      this.#insert(key.text.replace(/\s*[\r\n\t]+\s*/g, " ").replace(/\p{Cc}/gu, ""));
      return true;
    }
    if (key.text !== "") {
      this.#insert(key.text);
      return true;
    }
    return this.#edit(key.name);
  }

  #insert(text: string): void {
    const room = this.#mostChars - this.#before.length - this.#after.length;
    this.#before.push(...[...text].slice(0, Math.max(0, room)));
  }

  #edit(name: string): boolean {
    switch (name) {
      case "backspace":
        this.#before.pop();
        return true;
      case "delete":
        this.#after.shift();
        return true;
      case "left":
        this.#after.unshift(...this.#before.splice(-1));
        return true;
      case "right":
        this.#before.push(...this.#after.splice(0, 1));
        return true;
      case "home":
      case "ctrl-a":
        this.#after.unshift(...this.#before.splice(0));
        return true;
      case "end":
      case "ctrl-e":
        this.#before.push(...this.#after.splice(0));
        return true;
      case "ctrl-u":
        this.#before = [];
        return true;
      case "ctrl-w":
        this.#before = [...this.#before.join("").replace(/\S*\s*$/, "")];
        return true;
      default:
        return false;
    }
  }
}
