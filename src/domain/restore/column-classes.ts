// Columns that hold the same keys: sets that are joined, one pair of columns after the other.
import type { Place } from "./column-place.ts";

export class ColumnClasses {
  private readonly parents = new Map<Place, Place>();
  private readonly referring = new Set<Place>();
  private readonly fixed = new Set<Place>();

  join(place: Place, other: Place, how: "refers" | "is" = "is"): void {
    if (how === "refers" && place !== other) this.referring.add(place);
    const [a, b] = [this.of(place), this.of(other)];
    if (a === b) return;
    this.parents.set(a, b);
    if (this.fixed.delete(a)) this.fixed.add(b);
  }

  /** Its values are not the organization's to choose. */
  fix(place: Place): void {
    this.fixed.add(this.of(place));
  }

  isFixed(place: Place): boolean {
    return this.fixed.has(this.of(place));
  }

  /** A column that stands for its class. */
  of(place: Place): Place {
    let top = place;
    for (let next = this.parents.get(top); next !== undefined; next = this.parents.get(top)) top = next;
    return top;
  }

  members(place: Place): readonly Place[] {
    const top = this.of(place);
    const joined = [...new Set([...this.parents.keys(), ...this.parents.values()])];
    const same = joined.filter((each) => this.of(each) === top);
    return same.length === 0 ? [place] : same;
  }

  refers(place: Place): boolean {
    return this.referring.has(place);
  }
}
