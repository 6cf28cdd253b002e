// What ledger and record tell: fills, the statement, and the pictures over time.

import { find, keep, make, makeRow, setClass, setText, setTitle } from "./dom.js";
import { clock, count, money, moment, plain, round, signed } from "./format.js";
import { PARTS, SPANS } from "./words.js";

const AGAIN_AFTER_MS = 10000;
const SOON_MS = 1200;

/** Asks for the past of a grid now and then, and soon after a fill. `onPast(past)` gets what came. */
export class PastFeed {
  constructor(onPast) {
    this.onPast = onPast;
    this.grid = null;
    this.span = "1h";
    this.fills = null;
    this.timer = null;
    this.asking = 0;
  }

  open(grid) {
    if (grid === this.grid) return;
    this.grid = grid;
    this.fills = null;
    this.ask();
  }

  choose(span) {
    this.span = span;
    this.ask();
  }

  /** Hear how many fills there are; more than before are worth a look. */
  heed(fills) {
    if (this.fills !== null && fills !== this.fills) this.wait(SOON_MS);
    this.fills = fills;
  }

  wait(ms) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(), ms);
  }

  async ask() {
    clearTimeout(this.timer);
    this.asking += 1;
    const number = this.asking;
    try {
      if (!document.hidden && this.grid !== null) {
        const answer = await fetch(`/api/past?grid=${encodeURIComponent(this.grid)}&span=${this.span}`, { cache: "no-store" });
        const read = answer.ok ? await answer.json() : null;
        // Another grid or span may have been chosen meanwhile.
        if (read !== null && number === this.asking) this.onPast(read);
      }
    } catch {
      // The connection says that nobody answers.
    }
    if (number === this.asking) this.wait(AGAIN_AFTER_MS);
  }
}

export function followSpans(feed) {
  const group = find("spans");
  const mark = () => {
    for (const button of group.children) button.setAttribute("aria-pressed", String(button.dataset.span === feed.span));
  };
  for (const [span, words] of SPANS) {
    const button = make("button", { type: "button", "data-span": span, "aria-label": `Show ${words === "All" ? "everything" : words}` }, words);
    button.addEventListener("click", () => {
      feed.choose(span);
      mark();
    });
    group.append(button);
  }
  mark();
}

// --- Statement -----------------------------------------------------------------------------------

function pick(earnings, path) {
  const name = path.replace(/^-/, "");
  const value = name.split(".").reduce((held, key) => held?.[key] ?? null, earnings);
  return value !== null && path.startsWith("-") ? (value.startsWith("-") ? value.slice(1) : Number(value) ? `-${value}` : value) : value;
}

export function showStatement(read) {
  const { past } = read;
  const earnings = past.earnings;
  const fills = earnings.fills;
  const end = earnings.end.mark;
  setText(find("money-note"), `As of ${clock(past.at_ms)}, since the ledger began: ${count(fills.n)} fills, ${money(fills.volume_quote)} filled. ` + (end.price === null ? `No price: ${end.absent}.` : `At ${plain(end.price)}, recorded ${clock(end.at_ms)}.`));
  setTitle(find("money-note"), moment(past.at_ms));
  find("parts").dataset.at = past.at_ms;
  keep(find("parts").tBodies[0], PARTS, {
    key: ([path, label]) => path ?? label,
    create: ([path]) => {
      const row = makeRow(path === null ? [""] : ["", ""], { header: true });
      if (path === null) row.children[0].colSpan = 2;
      else row.children[0].append(make("span"), make("small"));
      return row;
    },
    update: (row, [path, label, words, kind]) => {
      setClass(row, kind);
      if (path === null) {
        setText(row.children[0], label);
        return;
      }
      const amount = pick(earnings, path);
      const name = path.replace(/^-/, "");
      row.dataset.figure = name;
      row.dataset.exact = amount ?? "";
      setText(row.children[0].children[0], label);
      const why = amount === null ? earnings.absent[name.split(".")[0]] ?? earnings.absent[name] ?? "not known" : words;
      setText(row.children[0].children[1], why);
      const cell = row.children[1];
      setText(cell, amount === null ? "not known" : signed(amount));
      setTitle(cell, amount);
      setClass(cell, amount === null ? "unknown" : Number(amount) > 0 ? "up" : Number(amount) < 0 ? "down" : "");
    },
  });
}

// --- Fills ---------------------------------------------------------------------------------------

const CLASSES = ["", "", "n wide", "n", "n", "n wide", "n wide", "n wide", "wide"];

function describeEdge(fill) {
  if (fill.edge === null) return "–";
  const bps = (1e4 * Number(fill.edge)) / (Number(fill.price) * Number(fill.size));
  return `${bps > 0 ? "+" : ""}${bps.toFixed(1).replace("-", "\u2212")} bps`;
}

export function showFills(read, names) {
  const { past } = read;
  const token = (name) => ({ base: names.base_name, quote: names.quote_name }[name] ?? name ?? "");
  const { totals, fills } = past;
  const more = totals.n > fills.length ? `, the last ${fills.length} are shown` : "";
  const fees = Object.entries(totals.fees).map(([of, fee]) => `${money(fee)} ${token(of)}`).join(", ");
  setText(find("fills-note"), totals.n
    ? `As of ${clock(past.at_ms)}: ${count(totals.n)} by the ledger${more}. Bought ${plain(totals.bought)} for ${money(totals.paid)}, sold ${plain(totals.sold)} for ${money(totals.received)}; fees ${fees}.`
    : `As of ${clock(past.at_ms)} there is no fill in the ledger.`);
  const body = find("fills").tBodies[0];
  find("fills").dataset.at = past.at_ms;
  keep(body, fills, {
    key: (fill) => `${fill.tid}-${fill.oid}`,
    create: () => makeRow(CLASSES),
    update: (row, fill) => {
      if (row.dataset.tid !== undefined && row.dataset.edge === String(fill.edge) && row.dataset.taker === String(fill.counterparty)) return;
      Object.assign(row.dataset, { tid: fill.tid, side: fill.side, price: fill.price, size: fill.size, fee: fill.fee, edge: fill.edge, taker: fill.counterparty });
      const texts = [
        fill.time_ms === null ? "–" : clock(fill.time_ms), fill.side === "buy" ? "bought" : "sold", String(fill.level), plain(fill.price), plain(fill.size),
        `${money(fill.fee)} ${token(fill.fee_token)}`.trim(), fill.mark_before === null ? "–" : plain(round(fill.mark_before, 8).replaceAll(",", "")),
        describeEdge(fill), fill.counterparty === null ? "–" : `${fill.counterparty.slice(0, 8)}…`,
      ];
      texts.forEach((text, number) => setText(row.children[number], text));
      row.children[1].className = fill.side;
      setTitle(row.children[0], fill.time_ms === null ? null : moment(fill.time_ms));
      setTitle(row.children[5], fill.fee);
      setTitle(row.children[8], fill.counterparty);
    },
  });
}

export function showPastNotes(read) {
  const { past, failure } = read;
  const unread = failure ? ` Not newer than ${past ? clock(past.at_ms) : "nothing"}: ${failure}` : "";
  setText(find("price-note"), past === null ? `Nothing could be read.${unread}` : `${past.unseen_because ? `Without prices: ${past.unseen_because}. ` : "Middle of the book, the boundary, and our fills. "}As of ${clock(past.at_ms)}.${unread}`);
  setText(find("earned-note"), past === null ? "" : `From ${moment(past.from_ms).slice(0, 16)}, beginning with zero; in quote.`);
}
