// The npm package superjson as a program: one JSON request a line in, one JSON answer a line out.
//
//   {op: 'echo', payload}        the payload of what `payload` stands for; {error} if it is refused
//   {op: 'same', payloads: [a, b]}  whether the two stand for deeply equal values
//   {op: 'generate', seed, count, sharing}   that many payloads of generated values, in one array;
//                                   `sharing`: the same object also inside Sets, keys of Maps and Errors,
//                                   where superjson itself loses some of it
//
// Payloads are texts, so that nothing is lost on the way.
import { createInterface } from 'node:readline';
import { isDeepStrictEqual } from 'node:util';
import superjson from 'superjson';

/** Mulberry32: small, and the same everywhere. */
function createRandom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const KEYS = ['a', 'b', 'ab', '', ' ', 'a.b', 'a\\b', '\\', '.', 'a\\.b', '..', '0', '10', '01', '-1', 'é', '😀', '\ud800', 'json', 'meta', 'toString'];
const TEXTS = ['', 'x', 'two words', '"\\/', '\u2028', '中文', '😀', '\udc00', '2024-02-29T12:34:56.789Z', 'NaN', '12'];
const NUMBERS = [0, 1, -1, 1.5, 0.1, 1e21, 1e-7, 5e-324, 1.7976931348623157e308, 2 ** 53, 2 ** 53 + 2, 2 ** 60, 1e20, 123456789012345680000, 1e15, 1e16, -1e15, 0.0001, 0.00001, 100.25];
const URLS = ['https://x.y/z?q=1#h', 'http://127.0.0.1:8080/', 'mailto:a@b.c', 'data:,x', 'file:///a/b', 'ws://x/'];
const PATTERNS = [/a/, /a\/b+/gi, new RegExp(''), /[/]\d+/ms, /(?<n>x)\k<n>/u, /\p{L}/v, /x/dgimsy, /\n"\\/];
const ARRAYS = [Int8Array, Uint8Array, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array, Uint8ClampedArray];

class Generator {
  constructor(seed, sharing) {
    this.random = createRandom(seed);
    this.sharing = sharing;
    this.made = [];
    this.alone = 0;
  }

  below(limit) {
    return Math.floor(this.random() * limit);
  }

  pick(choices) {
    return choices[this.below(choices.length)];
  }

  /** Makes something that holds nothing from elsewhere, and nothing that will be elsewhere. */
  apart(make) {
    if (this.sharing) return make();
    this.alone += 1;
    const made = make();
    this.alone -= 1;
    return made;
  }

  items(depth) {
    return Array.from({ length: this.below(4) }, () => this.value(depth - 1));
  }

  number() {
    return this.random() < 0.5 ? this.pick(NUMBERS) : (this.random() - 0.5) * 10 ** (this.below(50) - 25);
  }

  scalar() {
    const make = this.pick([
      () => null,
      () => undefined,
      () => this.random() < 0.5,
      () => this.number(),
      () => this.pick([this.alone > 0 ? 0 : NaN, Infinity, -Infinity, -0]),
      () => this.pick(TEXTS),
      // Equal ones are the same one for superjson, as with NaN.
      () => (this.alone > 0 ? BigInt(this.below(2 ** 52)) : this.pick([0n, 1n, -1n, 2n ** 53n, -(2n ** 64n), 10n ** 40n])),
      () => this.keep(new Date(this.pick([0, -1, 951782400789, -62135596800000, -62135596800001, 253402300799999, 253402300800000, 8.64e15, -8.64e15]))),
      () => this.keep(new Date(this.below(2e12))),
      () => this.keep(new URL(this.pick(URLS))),
      () => this.keep(new RegExp(this.pick(PATTERNS))),
      () => this.keep(this.array()),
    ]);
    return make();
  }

  array() {
    const type = this.pick(ARRAYS);
    const numbers = Array.from({ length: this.below(5) }, () => this.pick([0, 1, 100, -5, 300, 1.5, 0.1, 2.5]));
    return new type(numbers);
  }

  value(depth) {
    if (this.made.length > 0 && this.alone === 0 && this.random() < 0.12) return this.pick(this.made);
    if (depth <= 0 || this.random() < 0.4) return this.scalar();
    const make = this.pick([
      () => this.keep(this.items(depth)),
      () => this.object(depth),
      () => this.object(depth),
      () => this.keep(new Map(this.apart(() => this.items(depth)).map((key) => [key, this.value(depth - 1)]))),
      () => this.keep(new Set(this.apart(() => this.items(depth)))),
      () => this.error(depth),
    ]);
    return make();
  }

  object(depth) {
    const object = this.keep({});
    for (const item of this.items(depth)) object[this.pick(KEYS)] = item;
    return object;
  }

  error(depth) {
    const options = this.random() < 0.5 ? { cause: this.apart(() => this.value(depth - 1)) } : undefined;
    const error = new (this.pick([Error, TypeError]))(this.pick(TEXTS), options);
    if (this.random() < 0.2) error.name = 'Custom';
    return this.keep(error);
  }

  keep(value) {
    if (this.alone === 0) this.made.push(value);
    return value;
  }
}

function generate({ seed, count, sharing }) {
  return Array.from({ length: count }, (_, index) => {
    const generator = new Generator(seed * 1_000_003 + index, sharing);
    return superjson.stringify(generator.value(4));
  });
}

const operations = {
  generate,
  echo: ({ payload }) => superjson.stringify(superjson.deserialize(JSON.parse(payload))),
  same: ({ payloads }) => isDeepStrictEqual(...payloads.map((payload) => superjson.deserialize(JSON.parse(payload)))),
};

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  let answer;
  try {
    answer = { value: operations[request.op](request) };
  } catch (error) {
    answer = { error: error.message };
  }
  console.log(JSON.stringify(answer));
}
