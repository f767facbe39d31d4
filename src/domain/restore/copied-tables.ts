// The tables of an organization that is restored as another one, and what the catalogue says of their columns.
import type { Catalogue, CloneRule, PolymorphicTable } from "../catalogue.ts";
import { typeOf } from "../column-facts.ts";
import { ownTables } from "../own-tables.ts";
import type { SchemaDescription, TableDescription, TableName } from "../schema.ts";
import { placeOf, type Place } from "./column-place.ts";
import { plainTypeOf, type PlainType } from "./plain-type.ts";

export class CopiedTables {
  readonly catalogue: Catalogue;
  readonly schema: SchemaDescription;
  readonly all: readonly TableDescription[];
  readonly byName: ReadonlyMap<TableName, TableDescription>;
  readonly rules: ReadonlyMap<Place, CloneRule>;
  readonly polymorphic: ReadonlyMap<Place, PolymorphicTable>;
  /** Columns that hold files' paths. */
  readonly media: ReadonlySet<Place>;

  /** `members`: tables that hold an organization's rows. */
  constructor(catalogue: Catalogue, schema: SchemaDescription, members: ReadonlySet<TableName>) {
    this.catalogue = catalogue;
    this.schema = schema;
    this.all = ownTables(schema, catalogue.schemas).filter(({ name }) => members.has(name));
    this.byName = new Map(this.all.map((table) => [table.name, table]));
    this.rules = new Map((catalogue.externalIds ?? []).map((each) => [placeOf(each.table, each.column), each.onClone]));
    this.polymorphic = new Map(catalogue.polymorphic.map((each) => [placeOf(each.table, each.idColumn), each]));
    this.media = new Set(catalogue.media.map((each) => placeOf(each.table, each.column)));
  }

  typeOf(table: TableDescription, column: string): PlainType {
    return plainTypeOf(this.schema, typeOf(table, column) ?? "");
  }
}
