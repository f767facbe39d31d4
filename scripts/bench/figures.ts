// Figures by name while a measurement runs, and its lines in the end.
import type { Measurement } from "./measurement.ts";

export class Figures {
  private readonly byName = new Map<string, number[]>();
  private readonly say: (line: string) => void;

  constructor(say: (line: string) => void) {
    this.say = say;
  }

  note = (name: string, figure: number): void => {
    this.byName.set(name, [...this.of(name), figure]);
    this.say(`  ${name}: ${figure.toFixed(3)}`);
  };

  /** One line; none where ours or the peer was not measured. */
  row = (
    goal: string,
    work: string,
    unit: Measurement["unit"],
    name: string,
    limit: Measurement["limit"],
    peer: string | null = null,
  ): Measurement[] => {
    if (!this.byName.has(name) || (peer !== null && !this.byName.has(peer))) return [];
    const against = peer === null ? null : { name: peer, figures: this.of(peer) };
    return [{ goal, work, unit, ours: this.of(name), peer: against, limit }];
  };

  private of(name: string): readonly number[] {
    return this.byName.get(name) ?? [];
  }
}
