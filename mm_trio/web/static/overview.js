// Several grids: a row for each, and keys to move between them.

import { find, keep, makeRow, setClass, setHidden, setText, setTitle } from "./dom.js";
import { count, money, percent, plain } from "./format.js";
import { LIMITS, STATES } from "./words.js";

const CLASSES = ["", "why", "n", "n wide", "n wide", "n roomy", "n roomy", "n", "n wide"];

export function showOverview(rows, chosen) {
  setHidden(find("overview"), rows.length < 2);
  if (rows.length < 2) return;
  const body = find("grids").tBodies[0];
  keep(body, rows, {
    key: (row) => row.name,
    create: () => makeRow(CLASSES, { header: true }),
    update: (element, row) => {
      const [tone, word] = STATES[row.state] ?? ["warn", row.state];
      const texts = [
        row.pair_name === row.name ? row.name : `${row.pair_name} ${row.name}`,
        row.why ? `${word}: ${row.why}` : word,
        plain(row.boundary_price),
        row.spread_bps === null ? "–" : `${row.spread_bps.toFixed(1)} bps`,
        `${row.n_asks} + ${row.n_bids}`,
        `${money(row.token)} ${row.base_name}`,
        `${money(row.usdc)} ${row.quote_name}`,
        count(row.fills),
        row.nearest === null ? "–" : `${(LIMITS[row.nearest.name] ?? [row.nearest.name])[0]} ${percent(row.nearest.used)}`,
      ];
      texts.forEach((text, number) => setText(element.children[number], text));
      setClass(element.children[1], tone === "good" ? "why" : `why ${tone === "bad" ? "down" : "sell"}`);
      setTitle(element.children[5], row.token);
      setTitle(element.children[6], row.usdc);
      const isChosen = row.name === chosen;
      element.setAttribute("aria-selected", String(isChosen));
      element.tabIndex = isChosen ? 0 : -1;
    },
  });
  if (![...body.rows].some((row) => row.tabIndex === 0) && body.rows.length) body.rows[0].tabIndex = 0;
}

export function followOverview(onChoose) {
  const body = find("grids").tBodies[0];
  find("grids").setAttribute("role", "grid");
  body.addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    if (row) onChoose(row.dataset.key);
  });
  body.addEventListener("keydown", (event) => {
    const rows = [...body.rows];
    const at = rows.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      rows[Math.min(rows.length - 1, Math.max(0, to))].focus();
    } else if ((event.key === "Enter" || event.key === " ") && at >= 0) {
      event.preventDefault();
      onChoose(rows[at].dataset.key);
    }
  });
}
