import { createHash } from "node:crypto";
import { canonicalSchema } from "../domain/canonical-schema.ts";
import type { SchemaDescription } from "../domain/schema.ts";

/** SHA-256, hex. */
export const fingerprintSchema = (schema: SchemaDescription): string =>
  createHash("sha256").update(canonicalSchema(schema)).digest("hex");
