// The headers that endpoints take, beside the token.
import type { Request } from "express";
import { z } from "zod";
import { parseInput } from "./input.ts";

/** Visible characters, so that a key can't forge a header or a log line. */
export const idempotencyKeyHeader = z
  .string()
  .regex(/^[\x21-\x7e]{1,200}$/, "must be 1 to 200 visible characters")
  .meta({ description: "The same key with the same request, within a day, is worked on once and answered alike" });

export const ifMatchHeader = z
  .string()
  .refine((text) => /^(\*|"[\x21\x23-\x7e]{1,100}")$/.test(text), 'must be an ETag such as "3"')
  .meta({ description: "The ETag that was read; another version is refused" });

export const lastEventIdHeader = z
  .string()
  .regex(/^[\w-]{1,100}$/, "must be an event's id")
  .meta({ description: "The id of the last event that was seen" });

export function optionalHeader(request: Request, name: string, schema: z.ZodType<string>): string | null {
  const value = request.get(name);
  return value === undefined ? null : parseInput(schema, value, `header.${name}`);
}
