/** What is to be said of another value for a param that is there. */
export const paramTaken = (key: string, before: string, now: string): string =>
  `The param ${JSON.stringify(key)} is ${JSON.stringify(before)} already and cannot become ${JSON.stringify(now)}; log it under another key, or in a run or model of its own`
