// From the bytes of a terminal to keys and pasted text (xterm control sequences; ECMA-48). Bytes may be split anywhere.

import { LIMITS } from "../../limits.ts";

export type Key =
  /** A printable character, or a named key: enter, escape, tab, backtab, up, ctrl-c. */
  | { readonly type: "key"; readonly name: string; readonly text: string }
  | { readonly type: "paste"; readonly text: string };

const PASTE_START = "\u001b[200~";
const PASTE_END = "\u001b[201~";

/** What follows ESC [ or ESC O. */
const SEQUENCES: Readonly<Record<string, string>> = {
  A: "up",
  B: "down",
  C: "right",
  D: "left",
  H: "home",
  F: "end",
  Z: "backtab",
  "1~": "home",
  "2~": "insert",
  "3~": "delete",
  "4~": "end",
  "5~": "pageup",
  "6~": "pagedown",
  "7~": "home",
  "8~": "end",
};

const CONTROLS: Readonly<Record<string, string>> = {
  "\r": "enter",
  "\n": "enter",
  "\t": "tab",
  "\b": "backspace",
  "\u007f": "backspace",
  "\u001b": "escape",
};

export class KeyDecoder {
  /** Of a character whose last bytes have not come yet. */
  readonly #utf8 = new TextDecoder("utf-8", { fatal: false });
  /** The beginning of a sequence, or text that is being pasted. */
  #pending = "";
  /** The rest of a paste that is too long: it is no keys. */
  #isSkipping = false;

  /** Whether a lone ESC waits for what may follow it: after LIMITS.escapeMs it was the key. */
  get isWaiting(): boolean {
    return this.#isSkipping || (this.#pending !== "" && !this.#pending.startsWith(PASTE_START));
  }

  feed(bytes: Uint8Array): Key[] {
    this.#pending += this.#utf8.decode(bytes, { stream: true });
    return this.#take(false);
  }

  /** Nothing more came: what waits is what it is. */
  flush(): Key[] {
    this.#isSkipping = false;
    return this.#take(true);
  }

  /** Whether the end of the paste has come; up to there all is left out. */
  #skip(): boolean {
    const end = this.#pending.indexOf(PASTE_END);
    this.#isSkipping = end === -1;
    // The end itself may be split.
    this.#pending = this.#pending.slice(end === -1 ? -PASTE_END.length : end + PASTE_END.length);
    return !this.#isSkipping;
  }

  #take(isEnd: boolean): Key[] {
    const keys: Key[] = [];
    for (;;) {
      if (this.#isSkipping && !this.#skip()) return keys;
      const text = this.#pending;
      if (text === "") return keys;
      if (text.startsWith(PASTE_START)) {
        const end = text.indexOf(PASTE_END);
        // An end that never comes must not take everything that is typed from then on.
        if (end === -1 && text.length < LIMITS.pasteChars) return keys;
        const pasted = text.slice(PASTE_START.length, end === -1 ? undefined : end);
        keys.push({ type: "paste", text: pasted.slice(0, LIMITS.pasteChars) });
        this.#isSkipping = end === -1;
        this.#pending = end === -1 ? "" : text.slice(end + PASTE_END.length);
        continue;
      }
      const read = readKey(text, isEnd);
      if (read === undefined) return keys;
      if (read.name !== "") keys.push({ type: "key", name: read.name, text: read.text });
      this.#pending = text.slice(read.length);
    }
  }
}

interface Read {
  /** Empty for a sequence that means nothing here. */
  readonly name: string;
  readonly text: string;
  readonly length: number;
}

/** Undefined where more must come first. */
function readKey(text: string, isEnd: boolean): Read | undefined {
  const [char = ""] = text;
  if (char === "\u001b") return readEscape(text, isEnd);
  const control = CONTROLS[char];
  if (control !== undefined) return { name: control, text: "", length: 1 };
  const code = char.codePointAt(0) ?? 0;
  if (code < 32) return { name: `ctrl-${String.fromCharCode(code + 96)}`, text: "", length: 1 };
  return { name: char, text: char, length: char.length };
}

function readEscape(text: string, isEnd: boolean): Read | undefined {
  if (text.length === 1) return isEnd ? { name: "escape", text: "", length: 1 } : undefined;
  const introducer = text[1] ?? "";
  // ESC and a key at once may be Alt and that key, of which there are none here: then it is both.
  if (introducer !== "[" && introducer !== "O") return { name: "escape", text: "", length: 1 };
  const body = /^[[O]([0-9;?<=>]*)([@-~])/.exec(text.slice(1));
  if (body === null) {
    if (!isEnd && text.length < LIMITS.sequenceChars) return undefined;
    return { name: "escape", text: "", length: 1 };
  }
  const [whole, parameters = "", final = ""] = body;
  // Modifiers (ESC [ 1 ; 5 C) are not told apart.
  const [first = ""] = parameters.split(";");
  const name = SEQUENCES[final] ?? SEQUENCES[`${first}${final}`] ?? "";
  return { name, text: "", length: 1 + whole.length };
}
