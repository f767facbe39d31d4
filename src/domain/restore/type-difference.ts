// Which of the app's own types (enums, domains, composites) no longer take every value that the backup may hold. Columns
// of those are staged as text and checked row by row; all others are loaded straight into their live type.
import type { SchemaDescription } from "../schema.ts";

/** "public.rsvp_status[]", "public.\"Mood's\"", "numeric(12,2)" → the type's own name, unquoted and without the rest. */
export function baseTypeName(type: string): string {
  let name = type;
  while (name.endsWith("[]")) name = name.slice(0, -2);
  const parts = name.match(/"(?:[^"]|"")*"|[^".]+/g) ?? [];
  const plain = parts.map((part) => (part.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : part)).join(".");
  return name.includes('"') ? plain : plain.replace(/\(.*\)/, "").trim();
}

/** Names of types whose live form could refuse, or read otherwise, what the backup holds. */
export function findNarrowedTypes(backup: SchemaDescription, live: SchemaDescription): ReadonlySet<string> {
  const narrowed = new Set<string>();
  const liveEnums = new Map(live.enums.map(({ name, labels }) => [name, new Set(labels)]));
  for (const { name, labels } of backup.enums) {
    const present = liveEnums.get(name);
    if (present !== undefined && !labels.every((label) => present.has(label))) narrowed.add(name);
  }
  const liveDomains = new Map(live.domains.map(({ name, definition }) => [name, definition]));
  const liveComposites = new Set(live.supportingSql);
  const composites = backup.supportingSql.flatMap((definition) => {
    const name = /^CREATE TYPE (.+?) AS \(/.exec(definition)?.[1];
    return name === undefined ? [] : [{ name: baseTypeName(name), definition }];
  });
  const definitions = [...backup.domains, ...composites];
  for (const { name, definition } of backup.domains)
    if (liveDomains.has(name) && liveDomains.get(name) !== definition) narrowed.add(name);
  for (const { name, definition } of composites) if (!liveComposites.has(definition)) narrowed.add(name);
  // What is made of a narrowed type is narrowed, too.
  for (let grown = true; grown;) {
    grown = false;
    for (const { name, definition } of definitions) {
      if (narrowed.has(name) || ![...narrowed].some((inner) => mentions(definition, inner))) continue;
      narrowed.add(name);
      grown = true;
    }
  }
  return narrowed;
}

function mentions(definition: string, type: string): boolean {
  const plain = definition.replaceAll('""', "\0").replaceAll('"', "").replaceAll("\0", '"');
  return plain.includes(` ${type}`);
}

/** Enum labels that the backup knows and the live type does not. */
export function findGoneLabels(backup: SchemaDescription, live: SchemaDescription, type: string): readonly string[] {
  const name = baseTypeName(type);
  const present = live.enums.find((each) => each.name === name);
  if (present === undefined) return [];
  return backup.enums.find((each) => each.name === name)?.labels.filter((each) => !present.labels.includes(each)) ?? [];
}
