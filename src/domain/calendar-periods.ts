// Which hour, day, week, month and year a moment belongs to in a time zone, as names that are equal exactly for moments of
// one period. An hour that a clock shows twice (the end of summer time) is two hours.

export const periods = ["hourly", "daily", "weekly", "monthly", "yearly"] as const;
export type Period = (typeof periods)[number];

export type PeriodNames = Readonly<Record<Period, string>>;

const dayMs = 86_400_000;
const twoDigits = (value: number): string => String(value).padStart(2, "0");

/** One formatter a zone: making one costs a hundred times what using it does. */
const formatters = new Map<string, Intl.DateTimeFormat>();

function formatterOf(timeZone: string): Intl.DateTimeFormat {
  let formatter = formatters.get(timeZone);
  if (formatter === undefined) {
    formatter = new Intl.DateTimeFormat("en-US", {
      timeZone,
      calendar: "gregory",
      numberingSystem: "latn",
      hourCycle: "h23",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
    });
    formatters.set(timeZone, formatter);
  }
  return formatter;
}

/** @throws RangeError for a time zone that does not exist. */
export function periodsOf(atMs: number, timeZone: string): PeriodNames {
  const part: Record<string, number> = {};
  for (const { type, value } of formatterOf(timeZone).formatToParts(atMs)) part[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part;
  const dayNumber = Date.UTC(year, month - 1, day) / dayMs;
  const monday = new Date((dayNumber - ((dayNumber + 3) % 7)) * dayMs); // 1970-01-01 was a Thursday
  const offsetMinutes = Math.round(
    (Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(atMs / 1000) * 1000) / 60_000,
  );
  const date = `${year}-${twoDigits(month)}-${twoDigits(day)}`;
  return {
    hourly: `${date} ${twoDigits(hour)}h (${offsetMinutes >= 0 ? "+" : "-"}${Math.abs(offsetMinutes)} min)`,
    daily: date,
    weekly: `week of ${monday.toISOString().slice(0, 10)}`,
    monthly: `${year}-${twoDigits(month)}`,
    yearly: String(year),
  };
}
