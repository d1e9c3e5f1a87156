/** Longer words are not looked for: each character may take nine of an address, and proxies take 8 kB; UTF-16 units. */
export const LONGEST_SEARCH = 500;
