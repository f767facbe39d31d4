import { sha256 } from "../crypto/sha256.ts";
import { canonicalSchema } from "../domain/canonical-schema.ts";
import type { SchemaDescription } from "../domain/schema.ts";

/** SHA-256, hex. */
export const fingerprintSchema = (schema: SchemaDescription): string => sha256(canonicalSchema(schema));
