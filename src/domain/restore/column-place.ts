// A column of a table, as one text. Names may hold dots.
import type { TableName } from "../schema.ts";

export type Place = `${TableName}\0${string}`;

export const placeOf = (table: TableName, column: string): Place => `${table}\0${column}`;

export function splitPlace(place: Place): { readonly table: TableName; readonly column: string } {
  const [table = "", column = ""] = place.split("\0");
  return { table, column };
}

/** "schema.table.column" */
export const describePlace = (place: Place): string => place.replace("\0", ".");
