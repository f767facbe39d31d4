// Moments leave the control tables as ISO 8601 UTC with all their microseconds: lists go on behind one, and JavaScript's own
// dates would cut it short.
export const utcMoment = (column: string): string =>
  `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
