// State, key figures, inventory, limits and health of one grid.

import { draw, find, keep, make, makeRow, setClass, setHidden, setText, setTitle } from "./dom.js";
import { clock, count, duration, money, percent, plain, plural, signed } from "./format.js";
import { FLOORS, LIMITS, STATES } from "./words.js";

export function showState(grid, account) {
  const [tone, word] = STATES[grid.health.state] ?? ["warn", grid.health.state];
  setClass(find("state"), `state ${tone}`);
  setText(find("state-word"), word);
  const reasons = [grid.standing, account.standing, grid.health.why].filter(Boolean);
  setText(find("state-why"), reasons.length ? [...new Set(reasons)].join("; ") : "on both sides, nothing is withheld");
  const coin = grid.pair_name === grid.coin ? "" : ` ${grid.coin}`;
  if (find("pair").textContent !== grid.pair_name + coin) find("pair").replaceChildren(grid.pair_name, make("small", {}, coin));
  document.title = `${word} · ${grid.pair_name} · mm-trio`;
}

function describeRunway(budget) {
  if (budget.hours_left === "inf") return "does not shrink";
  return budget.hours_left === null ? "too early to tell" : `lasts ${duration(Number(budget.hours_left) * 3600)}`;
}

export function showFigures(grid, account, past) {
  const { inventory, health } = grid;
  const gain = past?.earnings?.pnl_vs_hold ?? null;
  const figures = [
    ["boundary", "Boundary", plain(grid.boundary_price), inventory.quote_name, grid.mid === null ? "" : `mid ${plain(grid.mid)}`, grid.boundary_price],
    ["spread", "Spread", grid.spread_bps === null ? "–" : grid.spread_bps.toFixed(1), "bps", `${plural(grid.sides.asks.orders, "ask")}, ${plural(grid.sides.bids.orders, "bid")}`, null],
    ["value", "Inventory", money(inventory.total_value) ?? "–", inventory.quote_name, `${plain(inventory.token)} ${inventory.base_name}`, inventory.total_value],
    ["gain", "Gain against holding", signed(gain) ?? "–", inventory.quote_name, past ? `as of ${clock(past.at_ms)}` : "not read yet", gain],
    ["fills", "Fills", count(health.fills), "", `${money(health.fill_volume)} ${inventory.quote_name} filled`, null],
    ["budget", "Requests left", count(account.budget.remaining), "", describeRunway(account.budget), null],
  ];
  keep(find("figures"), figures, {
    key: ([name]) => name,
    create: () => make("div", {}, make("dt"), make("dd"), make("dd", { class: "more" })),
    update: (element, [name, label, value, unit, more, exact]) => {
      const [dt, dd, dd2] = element.children;
      element.dataset.figure = name;
      setText(dt, label);
      const shown = unit && value !== "–" ? `${value} ${unit}` : value;
      if (dd.textContent !== shown) dd.replaceChildren(value, ...(unit && value !== "–" ? [" ", make("small", {}, unit)] : []));
      setTitle(dd, exact);
      setText(dd2, more);
    },
  });
}

export function showInventory(grid) {
  const held = grid.inventory;
  const total = Number(held.total_value ?? 0);
  const share = total > 0 ? Math.min(1, Number(held.token_value) / total) : null;
  setText(find("inventory-note"), share === null ? "Its value is known once a boundary is." : `${percent(share)} of the value in ${held.base_name}, ${percent(1 - share)} in ${held.quote_name}, at the boundary.`);
  const bar = find("inventory-bar");
  if (!bar.firstChild) {
    const part = (name) => {
      const rect = draw("rect", { y: 0, height: 14, width: 0 });
      rect.style.fill = `var(--${name})`;
      return rect;
    };
    bar.append(draw("svg", { viewBox: "0 0 100 14", preserveAspectRatio: "none", role: "img" }, draw("title"), part("other"), part("line")));
  }
  const [title, base, quote] = bar.firstChild.children;
  setText(title, share === null ? "Value not known" : `${percent(share)} base, ${percent(1 - share)} quote`);
  base.setAttribute("width", String(100 * (share ?? 0)));
  quote.setAttribute("x", String(100 * (share ?? 0)));
  quote.setAttribute("width", String(100 - 100 * (share ?? 0)));
  const rows = [
    ["token", held.base_name, [held.token, held.virtual_token, held.account_token]],
    ["usdc", held.quote_name, [held.usdc, held.virtual_usdc, held.account_usdc]],
  ];
  keep(find("inventory").tBodies[0], rows, {
    key: ([name]) => name,
    create: () => makeRow(["", "n", "n wide", "n"], { header: true }),
    update: (row, [name, label, amounts]) => {
      row.dataset.figure = name;
      row.dataset.exact = amounts[0];
      setText(row.children[0], label);
      amounts.forEach((amount, number) => setText(row.children[number + 1], plain(amount)));
    },
  });
}

function makeUse() {
  const bar = draw("svg", { viewBox: "0 0 100 4", preserveAspectRatio: "none", role: "img" }, draw("title"), draw("rect", { width: 100, height: 4 }), draw("rect", { height: 4 }));
  return make("li", {}, make("span", {}, make("b"), " ", make("small")), make("span", { class: "n" }), bar);
}

export function showLimits(grid, account) {
  const ofGrid = grid.limits.map((use) => ({ ...use, of: "" }));
  const uses = [...ofGrid, ...account.limits.map((use) => ({ ...use, of: "all markets" }))];
  setText(find("limits-note"), uses.length ? "What stops the maker, and how near that is." : "No [limits] are set: nothing but its funds stops this maker.");
  setHidden(find("limits"), !uses.length);
  keep(find("limits"), uses, {
    key: (use) => `${use.of} ${use.name}`,
    create: makeUse,
    update: (row, use) => {
      const [label, words] = LIMITS[use.name] ?? [use.name, ""];
      const used = use.used;
      const tone = used === null ? "line" : used >= 0.95 ? "bad" : used >= 0.75 ? "warn" : "good";
      row.dataset.limit = use.name;
      setText(row.children[0].children[0], label);
      setText(row.children[0].children[1], use.of ? `${words}; ${use.of}` : words);
      const number = Number.isInteger(Number(use.number)) ? plain(use.number) : money(use.number);
      setText(row.children[1], FLOORS.has(use.name) ? `${number}, at least ${plain(use.limit)}` : `${number} of ${plain(use.limit)}`);
      setTitle(row.children[1], `${use.number ?? "not known"} of ${use.limit}, ${use.unit}`);
      const [title, back, front] = row.children[2].children;
      setText(title, used === null ? "not known" : `${percent(used)} used`);
      back.style.fill = "var(--line)";
      front.style.fill = `var(--${tone})`;
      front.setAttribute("width", String(Math.min(100, 100 * (used ?? 0))));
    },
  });
}

/** Judge the signs of life: tone, what, and the words. */
function listChecks(grid, account) {
  const { health } = grid;
  const age = (s) => (s === null ? "never so far" : `${duration(s)} ago`);
  const late = (s, most) => (s === null ? "warn" : s > 3 * most ? "bad" : s > most ? "warn" : "good");
  const checks = [
    [late(grid.last_tick_age_s, grid.tick_interval_s * 2 + 1), "Last tick", `${age(grid.last_tick_age_s)}; one is due each ${duration(grid.tick_interval_s)}`],
    [late(account.last_frame_age_s, 15), "Venue heard", age(account.last_frame_age_s)],
    [account.unwritten_age_s > 5 ? "bad" : account.unwritten_age_s > 1 ? "warn" : "good", "Ledger written", `${age(account.last_commit_age_s)}; ${account.unwritten_entries ? `${plural(account.unwritten_entries, "entry", "entries")} wait since ${duration(account.unwritten_age_s)}` : "nothing waits"}`],
    [health.doubts ? "warn" : "good", "In doubt", health.doubts ? `${plural(health.doubts, "order")}: each may rest or have traded, and its level stays locked` : "no order"],
    [health.errors ? "warn" : "good", "Errors", health.errors ? `${count(health.errors)} since the start; the log says which` : "none since the start"],
    [account.reconnects ? "warn" : "good", "Connection", account.reconnects ? `${plural(account.reconnects, "reconnect")} since the start` : "never lost since the start"],
    [account.budget.remaining > 0 ? "good" : "bad", "Request budget", `${plural(account.budget.remaining, "request")} left, ${describeRunway(account.budget)}; ${count(account.requests_sent)} sent of all time`],
  ];
  if (account.key_ends_ms !== null) {
    const days = (account.key_ends_ms - account.at_ms) / 86_400_000;
    checks.push([days < 2 ? "bad" : days < 14 ? "warn" : "good", "Signing key", `ends in ${duration(days * 86400)}`]);
  }
  if (account.has_guard !== null) checks.push([account.has_guard ? "good" : "warn", "Guard", account.has_guard ? "watches this maker" : "was not seen: if this process dies, nobody cancels"]);
  checks.push(["good", "Running", `for ${duration(account.uptime_s)}; ${plural(health.ticks, "tick")}, ${plural(health.reconciliations, "reconciliation")}; mm-trio ${account.identity.version}, process ${account.identity.pid}`]);
  return checks;
}

const SIGNS = { good: "✓", warn: "!", bad: "✕" };
const SAID = { good: "well: ", warn: "look: ", bad: "wrong: " };

export function showHealth(grid, account) {
  keep(find("health"), listChecks(grid, account), {
    key: ([, name]) => name,
    create: () => make("li", {}, make("i", { "aria-hidden": "true" }), make("span", {}, make("span", { class: "hidden" }), make("b"), make("span"))),
    update: (row, [tone, name, words]) => {
      const [said, label, text] = row.children[1].children;
      setClass(row, tone);
      setText(row.children[0], SIGNS[tone]);
      setText(said, SAID[tone]);
      setText(label, `${name} `);
      setText(text, words);
    },
  });
}
