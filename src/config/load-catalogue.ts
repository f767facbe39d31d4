// The catalogue from a file (JSON or YAML), or WedSync's own.
import { readFile } from "node:fs/promises";
import { parse, YAMLParseError } from "yaml";
import { z } from "zod";
import type { Catalogue } from "../domain/catalogue.ts";
import { BackupError } from "../domain/errors.ts";
import { organizationPlaceholder } from "../domain/media-folder.ts";

const tableName = z.string().regex(/^[^.]+\.[^]+$/, "must be written as schema.table");
const declared = z.array(z.strictObject({ table: tableName, reason: z.string().min(1) })).default([]);

const catalogueSchema = z.strictObject({
  version: z.literal(1),
  name: z.string().min(1),
  schemas: z.array(z.string()).min(1).default(["public"]),
  root: z.strictObject({ table: tableName, key: z.string() }),
  organizationName: z.string().optional(),
  dataSets: z
    .array(
      z.strictObject({
        name: z.string().regex(/^[a-z0-9_-]+$/),
        title: z.string(),
        priority: z.number().int().min(1),
        tables: z.array(tableName).min(1),
      }),
    )
    .min(1),
  organizationColumns: z.record(tableName, z.string()).default({}),
  polymorphic: z
    .array(
      z.strictObject({
        table: tableName,
        typeColumn: z.string(),
        idColumn: z.string(),
        targets: z.record(z.string(), tableName),
      }),
    )
    .default([]),
  media: z.array(z.strictObject({ table: tableName, column: z.string() })).default([]),
  mediaFolder: z
    .string()
    .regex(
      /^(?!\/)(.*\/)?\{organization\}\/(.*\/)?$/,
      `must have ${organizationPlaceholder} as a folder's name, and end with /`,
    )
    .optional(),
  references: declared,
  exclusions: declared,
  omittedColumns: z
    .array(z.strictObject({ table: tableName, column: z.string(), reason: z.string().min(1) }))
    .default([]),
  masks: z.array(z.strictObject({ table: tableName, column: z.string() })).default([]),
  externalIds: z
    .array(
      z.strictObject({
        table: tableName,
        column: z.string(),
        onClone: z.enum(["null", "suffix", "keep-if-free", "refuse"]),
      }),
    )
    .default([]),
  links: z
    .array(
      z.strictObject({
        table: tableName,
        column: z.string(),
        target: tableName.optional(),
        path: z.array(z.string()).min(1).optional(),
        memberNames: z.boolean().optional(),
      }),
    )
    .default([]),
  rules: z
    .array(
      z.strictObject({
        name: z.string().regex(/^[a-z0-9-]+$/, "must have small letters, digits and hyphens only"),
        title: z.string().min(1),
        sql: z.string().regex(/\$1/, "must name the organization as $1"),
      }),
    )
    .default([]),
});

/** @throws CatalogueInvalid listing every problem with its place. */
export async function loadCatalogue(path: string | null): Promise<Catalogue> {
  const file = path ?? new URL("../domain/catalogues/wedsync.json", import.meta.url);
  let value: unknown;
  try {
    value = parse(await readFile(file, "utf8"));
  } catch (error) {
    throw new BackupError(
      "CatalogueInvalid",
      `The catalogue ${String(path)} can't be read: ${whyUnread(error)}.`,
      {},
      { cause: error },
    );
  }
  const parsed = catalogueSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join(".") || "catalogue"}: ${issue.message}`);
  throw new BackupError(
    "CatalogueInvalid",
    `The catalogue ${String(path)} is not well formed:\n- ${problems.join("\n- ")}`,
    { problems },
  );
}

function whyUnread(error: unknown): string {
  if (error instanceof YAMLParseError) {
    const { line, col } = error.linePos?.[0] ?? {};
    return `it is neither JSON nor YAML${line === undefined ? "" : ` at line ${line}, column ${col}`} (${error.code})`;
  }
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENOENT") return "there is no such file. Check BACKUP_CATALOGUE";
  return code ?? "it is neither JSON nor YAML";
}
