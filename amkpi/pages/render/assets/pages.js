// Sorts and filters the tables. Every page is complete without it.
"use strict";

const MOST_ROWS_WITHOUT_FILTER = 8;
const language = document.documentElement.lang;
const collator = new Intl.Collator(language, { numeric: true });

// By what a cell is sorted: a number, a text, or nothing, which is last in both directions.
function key(row, column, kind) {
  const cell = row.cells[column];
  const text = cell.dataset.sort ?? cell.textContent.trim();
  if (text === "") return null;
  return kind === "number" ? Number(text) : text;
}

function sort(table, heading, button) {
  const column = heading.cellIndex;
  const kind = heading.dataset.kind;
  const down = heading.getAttribute("aria-sort") === "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", down ? "descending" : "ascending");
  const body = table.tBodies[0];
  const rows = Array.from(body.rows, (row) => ({ row, key: key(row, column, kind) }));
  const sign = down ? -1 : 1;
  rows.sort((one, other) => {
    if (one.key === null || other.key === null) return (one.key === null) - (other.key === null);
    const order = kind === "number" ? one.key - other.key : collator.compare(one.key, other.key);
    return sign * order;
  });
  body.append(...rows.map((each) => each.row));
  button.focus();
}

// Without marks of letters and tones: `nguyen` finds Nguyễn.
function folded(text) {
  return text.normalize("NFD").replace(/\p{M}/gu, "").replace(/[đĐ]/g, "d").toLowerCase();
}

function addFilter(table) {
  const rows = Array.from(table.tBodies[0].rows, (row) => ({ row, text: folded(row.textContent) }));
  if (rows.length <= MOST_ROWS_WITHOUT_FILTER || !table.dataset.filter) return;
  const box = document.createElement("div");
  const label = document.createElement("label");
  const input = document.createElement("input");
  const count = document.createElement("output");
  box.className = "filter";
  label.textContent = table.dataset.filter;
  input.type = "search";
  label.append(" ", input);
  box.append(label, count);
  input.addEventListener("input", () => {
    const words = folded(input.value).split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const each of rows) {
      each.row.hidden = !words.every((word) => each.text.includes(word));
      shown += each.row.hidden ? 0 : 1;
    }
    count.textContent = words.length ? `${shown.toLocaleString(language)} / ${rows.length.toLocaleString(language)} ${table.dataset.shown}` : "";
  });
  table.parentElement.before(box);
}

for (const table of document.querySelectorAll("table[data-sortable]")) {
  if (table.tBodies[0].rows.length < 2) continue;
  for (const heading of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    button.addEventListener("click", () => sort(table, heading, button));
    heading.append(button);
  }
  addFilter(table);
}

// The list of periods closes with Escape, and when something else is clicked.
for (const list of document.querySelectorAll("details.all")) {
  document.addEventListener("click", (event) => {
    if (!list.contains(event.target)) list.open = false;
  });
  list.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && list.open) {
      list.open = false;
      list.querySelector("summary").focus();
    }
  });
}
