/** What a statement makes, as the database's catalogue names it. */
export interface MadeObject {
  /** relation: a table or a sequence. */
  readonly kind: "relation" | "type" | "extension" | "schema";
  /** "" for an extension and a schema, which lie in none. */
  readonly schema: string;
  readonly name: string;
}
