// The forms of what callers send. Strict: a field that is not known is a fault, so that a misspelt option is never
// silently ignored.
import { z } from "zod";
import { isOrganizationId } from "./authenticator.ts";
import { InputError, ValueError, type InputFault } from "./problem.ts";

// What the OpenAPI document can state is a form; what it can't is a refinement. So a request that the document allows is
// never called malformed (400): at most a value in it can't be used (422). A test holds the document to that.

/** Text that Postgres can hold. At most so many characters; as the document counts them, not UTF-16 units. */
export const textOf = (maxCharacters: number) =>
  z
    .string()
    .refine((text) => text.isWellFormed() && !text.includes("\0"), "must be Unicode text without a NUL")
    .refine((text) => new RegExp(`^.{0,${maxCharacters}}$`, "su").test(text), "is too long")
    .meta({ maxLength: maxCharacters });

/** One line of text for people: no control characters, no direction marks that make it read as something else. */
export const lineOfText = (maxCharacters: number) =>
  textOf(maxCharacters)
    .min(1)
    .refine((text) => text.trim() !== "", "must not be blank")
    .refine((text) => !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text), "must be one line without control characters")
    .trim();

export const organizationId = z
  .string()
  .min(1)
  .refine(isOrganizationId, "must be an organization's id: 1 to 200 bytes without control characters")
  .meta({
    description: "An organization's id. Only platform admins may name one that is not their own.",
    example: "org-1",
  });

/** Of endpoints that take nothing else: only platform admins need it. */
export const organizationQuery = z.strictObject({ organizationId: organizationId.optional() });

export const tableName = textOf(127)
  .regex(/^[^.]{1,63}\.[^.]{1,63}$/u, "must be schema.table")
  .refine((text) => !/\p{Cc}/u.test(text), "must be schema.table, without control characters");

export const id = z.uuid();

const pageSize = { default: 50, max: 200 } as const;
export const limit = z.coerce
  .number()
  .int()
  .min(1)
  .max(pageSize.max)
  .default(pageSize.default)
  .meta({ description: `Entries on a page, at most ${pageSize.max}` });

export const cursor = z
  .string()
  .regex(/^[\w-]{1,400}$/, "must be the `next` of a page")
  .optional()
  .meta({ description: "`next` of the page before" });

export const purpose = lineOfText(200).meta({
  description: "Why; recorded in the audit log.",
  example: "before the season's import",
});

/** @throws UsageInvalid, ValueInvalid */
export function parseInput<T extends z.ZodType>(schema: T, value: unknown, place: string): z.output<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.slice(0, 20).map((issue): InputFault => {
    const path = [place, ...issue.path.map(String)].join(".");
    // Names that a caller made up are not repeated: they can be anything, and end up in logs and pages.
    if (issue.code === "unrecognized_keys")
      return {
        field: path,
        message: `has ${issue.keys.length === 1 ? "a field that is" : "fields that are"} not known`,
      };
    return { field: path.slice(0, 100), message: issue.message };
  });
  throw parsed.error.issues.every((issue) => issue.code === "custom") ? new ValueError(faults) : new InputError(faults);
}

export const timeCursor = z.strictObject({ at: z.iso.datetime({ offset: true, precision: 6 }), id: z.uuid() });

const maxDepth = 20;

/** @throws UsageInvalid for JSON that is nested deeper than any request of ours. */
export function assertDepth(value: unknown): void {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > maxDepth)
      throw new InputError([{ field: "body", message: `is nested deeper than ${maxDepth} levels` }]);
    level = level.flatMap((each) => (typeof each === "object" && each !== null ? Object.values(each) : []));
  }
}
