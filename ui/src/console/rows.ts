/**
 * A long list of items with heights, in chunks: adding at either end, finding the item at an offset and changing a
 * height cost a walk over the chunks, not over the items.
 */

export interface Item {
  /** In pixels: measured, or estimated until the item was shown. */
  height: number;
  chunk: Chunk | null;
}

export interface Chunk {
  items: Item[];
  height: number;
}

export interface Place<T> {
  readonly item: T;
  /** The offset of its upper edge. */
  readonly top: number;
}

const SIZE = 512;

export class Rows<T extends Item> {
  private chunks: Chunk[] = [];
  private total = 0;
  private pixels = 0;

  get length(): number {
    return this.total;
  }

  get height(): number {
    return this.pixels;
  }

  get first(): T | null {
    return (this.chunks[0]?.items[0] as T | undefined) ?? null;
  }

  get last(): T | null {
    const items = this.chunks[this.chunks.length - 1]?.items;
    return (items?.[items.length - 1] as T | undefined) ?? null;
  }

  push(item: T): void {
    let chunk = this.chunks[this.chunks.length - 1];
    if (chunk === undefined || chunk.items.length >= SIZE) {
      chunk = { items: [], height: 0 };
      this.chunks.push(chunk);
    }
    item.chunk = chunk;
    chunk.items.push(item);
    chunk.height += item.height;
    this.total += 1;
    this.pixels += item.height;
  }

  /** Put `items` before all others. */
  prepend(items: readonly T[]): void {
    this.chunks.unshift(...this.toChunks(items));
  }

  /** Put `items` in the place of `old`, which must be in the list. */
  replace(old: T, items: readonly T[]): void {
    const chunk = old.chunk;
    const index = chunk === null ? -1 : this.chunks.indexOf(chunk);
    if (chunk === null || index < 0) return;
    const at = chunk.items.indexOf(old);
    const [before, after] = [chunk.items.slice(0, at) as T[], chunk.items.slice(at + 1) as T[]];
    this.total -= chunk.items.length;
    this.pixels -= chunk.height;
    old.chunk = null;
    this.chunks.splice(index, 1, ...this.toChunks([...before, ...items, ...after]));
  }

  private toChunks(items: readonly T[]): Chunk[] {
    const made: Chunk[] = [];
    for (let begin = 0; begin < items.length; begin += SIZE) {
      const chunk: Chunk = { items: items.slice(begin, begin + SIZE), height: 0 };
      for (const item of chunk.items) {
        item.chunk = chunk;
        chunk.height += item.height;
      }
      made.push(chunk);
      this.total += chunk.items.length;
      this.pixels += chunk.height;
    }
    return made;
  }

  /** Remove the oldest chunk, unless it is the only one, and return its items. */
  dropChunk(): T[] {
    if (this.chunks.length < 2) return [];
    const chunk = this.chunks.shift();
    if (chunk === undefined) return [];
    this.total -= chunk.items.length;
    this.pixels -= chunk.height;
    for (const item of chunk.items) item.chunk = null;
    return chunk.items as T[];
  }

  setHeight(item: T, height: number): void {
    if (item.chunk === null) return;
    item.chunk.height += height - item.height;
    this.pixels += height - item.height;
    item.height = height;
  }

  /** Set the height of every item anew. */
  measureAll(toHeight: (item: T) => number): void {
    this.pixels = 0;
    for (const chunk of this.chunks) {
      chunk.height = 0;
      for (const item of chunk.items as T[]) {
        item.height = toHeight(item);
        chunk.height += item.height;
      }
      this.pixels += chunk.height;
    }
  }

  /** Return the item at an offset; before the first item it is the first, after the last one the last. */
  at(offset: number): Place<T> | null {
    let top = 0;
    for (const [index, chunk] of this.chunks.entries()) {
      if (offset >= top + chunk.height && index < this.chunks.length - 1) {
        top += chunk.height;
        continue;
      }
      for (const [at, item] of chunk.items.entries()) {
        if (offset < top + item.height || at === chunk.items.length - 1) return { item: item as T, top };
        top += item.height;
      }
    }
    return null;
  }

  /** Return the offset of the upper edge of an item of the list. */
  topOf(item: T): number {
    let top = 0;
    for (const chunk of this.chunks) {
      if (chunk !== item.chunk) {
        top += chunk.height;
        continue;
      }
      for (const each of chunk.items) {
        if (each === item) return top;
        top += each.height;
      }
    }
    return top;
  }

  /** Give the items from `item` on, forwards. */
  *from(item: T): Generator<T> {
    let index = item.chunk === null ? -1 : this.chunks.indexOf(item.chunk);
    if (index < 0) return;
    let at = this.chunks[index]?.items.indexOf(item) ?? 0;
    for (; index < this.chunks.length; index += 1) {
      const items = (this.chunks[index]?.items ?? []) as T[];
      for (; at < items.length; at += 1) {
        const found = items[at];
        if (found !== undefined) yield found;
      }
      at = 0;
    }
  }

  /** Give the items before `item`, backwards. */
  *before(item: T): Generator<T> {
    let index = item.chunk === null ? -1 : this.chunks.indexOf(item.chunk);
    if (index < 0) return;
    let at = (this.chunks[index]?.items.indexOf(item) ?? 0) - 1;
    for (; index >= 0; index -= 1) {
      const items = (this.chunks[index]?.items ?? []) as T[];
      for (; at >= 0; at -= 1) {
        const found = items[at];
        if (found !== undefined) yield found;
      }
      at = (this.chunks[index - 1]?.items.length ?? 0) - 1;
    }
  }

  *[Symbol.iterator](): Generator<T> {
    if (this.first !== null) yield* this.from(this.first);
  }
}
