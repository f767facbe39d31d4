// Temporal's Duration is `StringValue | number` from "ms", whose release ships no types: without this, Duration is
// `any` and a misspelt time-out compiles.
declare module "ms" {
  export type StringValue =
    | `${number}`
    | `${number}${" " | ""}${"ms" | "s" | "m" | "h" | "d" | "seconds" | "minutes" | "hours" | "days"}`;
}
