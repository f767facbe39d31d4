// The tables of the sample schema, as COPY names them.

/** Tables in an order that foreign keys accept when deferred ones are. */
export const columnsOf: Readonly<Record<string, string>> = {
  organizations: "id, slug, name, settings, plan_limit, created_at",
  vendors: "id, organization_id, name, category, contact, rating",
  weddings: "id, organization_id, couple, held_on, venue, currency, primary_guest_id, tags, archived_at, updated_at",
  households: "id, organization_id, wedding_id, label, address",
  guests:
    "id, organization_id, wedding_id, household_id, first_name, last_name, email, phone, preferences, notes, loyalty_points, created_at, updated_at",
  rsvps: "guest_id, event, status, answered_at, history",
  dietary_needs: "guest_id, need, severity",
  contracts: "id, organization_id, wedding_id, vendor_id, amount, terms, signature, document_path, valid_until",
  payments: "contract_id, amount, reference, paid_at",
  budgets: "id, wedding_id, total",
  budget_items: "id, budget_id, label, planned, spent",
  timeline_events: "id, organization_id, wedding_id, title, starts_at, duration, details",
  seating_tables: "id, wedding_id, label, capacity, position",
  seat_assignments: "seating_table_id, seat, guest_id",
  menus: "id, organization_id, wedding_id, course, dish, allergens",
  tasks: "id, organization_id, parent_task_id, title, done, due_on",
  messages: "id, organization_id, wedding_id, author, body, sent_at, metadata",
  photos: "id, organization_id, wedding_id, storage_path, caption, exif, taken_at",
  comments: "id, subject_type, subject_id, body, created_at",
};
export const tableOrder: readonly string[] = Object.keys(columnsOf);
