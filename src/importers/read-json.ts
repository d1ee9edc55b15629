// Links out of JSON: the elements of the list in each document of a file, such as one page after the other of an API's answers. The
// list is never held whole.

import { badRequest } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Members } from "./members.ts";
import { readMembers } from "./read-csv.ts";
import type { Read, SourceLink } from "./source-link.ts";

/**
 * `list` names the member that holds them: objects of an array, or of an object by name. A file may also be an array itself.
 * `emptyWith` names a member that an answer without a list has, where a product leaves an empty one out.
 */
export async function* readJson(
  texts: AsyncIterable<string>,
  list: string,
  map: (members: Members) => SourceLink,
  emptyWith?: string,
): AsyncGenerator<Read> {
  const splitter = new ElementSplitter(list, emptyWith);
  let count = 0;
  for await (const text of texts)
    for (const element of splitter.push(text)) {
      count += 1;
      yield readElement(`element ${count}`, element, map);
    }
  splitter.end();
  if (!splitter.hasList) throw badRequest(`there is no list called ${list} in it`, "is it what that product exports?");
}

export function readElement(place: string, text: string, map: (members: Members) => SourceLink): Read {
  let members: unknown;
  try {
    members = JSON.parse(text);
  } catch {
    return { place, refusal: "is not JSON" };
  }
  return readMembers(place, members as Members, text, map);
}

/** Finds where the objects of the list begin and end; what each of them is, JSON.parse says. */
class ElementSplitter {
  readonly #list: string;
  readonly #emptyWith: string | undefined;
  hasList = false;
  /** Of what is open: `{` or `[`, and whether its objects are elements. */
  readonly #open: { readonly isObject: boolean; readonly isList: boolean }[] = [];
  #element: string | undefined;
  #elementDepth = 0;
  #string: string | undefined;
  #isEscaped = false;
  #lastString = "";
  #key = "";

  constructor(list: string, emptyWith: string | undefined) {
    this.#list = list;
    this.#emptyWith = emptyWith;
  }

  *push(text: string): Generator<string> {
    let start = 0;
    for (let at = 0; at < text.length; at++) {
      const char = text.charAt(at);
      if (this.#string !== undefined) {
        this.#takeOfString(char);
        continue;
      }
      if (char === '"') this.#string = "";
      else if (char === ":") {
        this.#key = this.#lastString;
        this.hasList ||= this.#emptyWith !== undefined && this.#open.length === 1 && this.#key === this.#emptyWith;
      } else if (char === "{" || char === "[") {
        if (this.#element === undefined && char === "{" && this.#beginsElement()) {
          this.#element = "";
          this.#elementDepth = this.#open.length;
          start = at;
        }
        this.#open.push({ isObject: char === "{", isList: this.#isList(char) });
        this.#key = "";
      } else if (char === "}" || char === "]") {
        if (this.#open.pop()?.isObject !== (char === "}")) throw badRequest("the file is not JSON");
        if (this.#element !== undefined && this.#open.length === this.#elementDepth) {
          yield this.#element + text.slice(start, at + 1);
          this.#element = undefined;
        }
      }
    }
    if (this.#element === undefined) return;
    this.#element += text.slice(start);
    if (this.#element.length > LIMITS.importRowChars)
      throw badRequest(`an element of the file is longer than ${LIMITS.importRowChars} characters`);
  }

  end(): void {
    if (this.#open.length > 0 || this.#string !== undefined)
      throw badRequest("the JSON of the file does not end", "it may be cut off; export it again");
  }

  #takeOfString(char: string): void {
    if (this.#isEscaped) this.#isEscaped = false;
    else if (char === "\\") this.#isEscaped = true;
    else if (char === '"') {
      this.#lastString = this.#string ?? "";
      this.#string = undefined;
      return;
    }
    // Only names of members matter, and those are short.
    if ((this.#string?.length ?? 0) < 100) this.#string += char;
  }

  #isList(char: string): boolean {
    if (this.#element !== undefined) return false;
    const isList = this.#open.length === 0 ? char === "[" : this.#key === this.#list;
    this.hasList ||= isList;
    return isList;
  }

  #beginsElement(): boolean {
    return this.#open.at(-1)?.isList === true;
  }
}
