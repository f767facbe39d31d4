import type { z } from "zod";
import { corrupt, type ObjectPlace } from "../crypto/sealed-object.ts";

/** JSON out of bytes that were authenticated. @throws ObjectCorrupt where they are not of the stated form all the same. */
export function parseSealedJson<T>(place: ObjectPlace, bytes: Uint8Array, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(parseJson(place, bytes));
  if (!parsed.success) throw corrupt(place, "its content is not of the stated format");
  return parsed.data;
}

export function parseJson(place: ObjectPlace, bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw corrupt(place, "its content is not of the stated format", error);
  }
}
