// The page of a maker: it listens, and shows. Nothing here changes anything at the maker.

import { makeCharts } from "./charts.js";
import { find, make, setClass, setHidden, setText } from "./dom.js";
import { clock, duration } from "./format.js";
import { followLadder, showDepth, showLadder } from "./ladder.js";
import { followOverview, showOverview } from "./overview.js";
import { showFigures, showHealth, showInventory, showLimits, showState } from "./panels.js";
import { followSpans, PastFeed, showFills, showPastNotes, showStatement } from "./past.js";
import { Stream } from "./stream.js";
import { followTheme } from "./theme.js";

const MOST_LINES = 200;
const seen = { state: null, past: null };

// --- What came ----------------------------------------------------------------------------------

function show() {
  const { state, past } = seen;
  if (state === null) return;
  const { account, rows, grid } = state;
  showOverview(rows, grid?.name ?? null);
  setText(find("network"), account.identity.network);
  setClass(find("network"), `tag ${account.identity.network}`);
  setHidden(find("network"), false);
  setText(find("who"), account.identity.account);
  document.body.classList.remove("waiting");
  if (grid === null) {
    setText(find("state-word"), "Removed");
    setText(find("state-why"), "this market is not in the configuration any more");
    return;
  }
  showState(grid, account);
  showFigures(grid, account, past);
  showLadder(grid);
  showDepth(grid);
  showInventory(grid);
  showLimits(grid, account);
  showHealth(grid, account);
}

function onState(state) {
  seen.state = state;
  if (state.grid !== null) {
    pastFeed.open(state.grid.name);
    pastFeed.heed(state.grid.health.fills);
  }
  show();
}

function onPast(read) {
  showPastNotes(read);
  if (read.past === null) return;
  seen.past = read.past;
  charts.show(read.past);
  showStatement(read);
  if (seen.state?.grid) showFills(read, seen.state.grid.inventory);
  show();
}

function onLog(lines) {
  const list = find("log");
  const known = () => Number(list.firstElementChild?.dataset.n ?? 0);
  // A maker that was started anew counts from 1 again.
  if (lines.length && lines.at(-1).n < known()) list.replaceChildren();
  for (const line of lines) {
    if (line.n <= known()) continue;
    const level = line.level === "INFO" ? null : make("b", {}, `${line.level.toLowerCase()} `);
    list.prepend(make("li", { class: line.level, "data-n": String(line.n) }, make("time", {}, clock(line.at_ms)), make("span", {}, level, line.text)));
  }
  while (list.children.length > MOST_LINES) list.lastElementChild.remove();
}

// --- Connection ---------------------------------------------------------------------------------

const NOTICES = {
  lost: (heard) => `mm-trio does not answer${heard}. It may have ended, or this machine does not reach it. What is shown was so then; the page tries again by itself.`,
  stale: (heard) => `Nothing was heard from mm-trio${heard}. What is shown was so then.`,
  ended: (heard) => `mm-trio is stopping, or has ended${heard}. What is shown was so then; the page goes on once a maker answers that knows this browser.`,
  refused: () => "A maker answers, and does not know this browser: it was started anew since. On its machine, run\n\n    mm-trio page-link --config FILE\n\nand open the link that it prints.",
  full: () => "Too many pages of this maker are open. Close some; this one goes on by itself.",
};

function onLink(what, heardMs) {
  const heard = heardMs === null ? "" : ` since ${clock(heardMs)} UTC`;
  const words = {
    live: () => `Live, ${clock(heardMs)} UTC`,
    stale: () => `Silent for ${duration((Date.now() - heardMs) / 1000)}`,
  }[what] ?? (() => (heardMs === null ? "Not connected" : `Lost ${duration((Date.now() - heardMs) / 1000)} ago`));
  setText(find("link-words"), words());
  // The clock is not read out each second.
  setText(find("link-said"), { live: "Live", stale: "Silent" }[what] ?? "Not connected");
  document.body.classList.toggle("live", what === "live");
  document.body.classList.toggle("stale", what === "stale");
  document.body.classList.toggle("lost", what !== "live" && what !== "stale");
  const notice = find("notice");
  setHidden(notice, what === "live");
  setText(notice, what === "live" ? "" : NOTICES[what](heard));
}

// --- Beginning ----------------------------------------------------------------------------------

const charts = makeCharts();
const pastFeed = new PastFeed(onPast);
const stream = new Stream({ state: onState, log: onLog, link: onLink });

function readChosen() {
  const name = decodeURIComponent(location.hash.slice(1));
  return name === "" ? null : name;
}

function choose(name) {
  seen.past = null;
  stream.open(name);
}

followTheme(() => charts.redraw());
followSpans(pastFeed);
followLadder(show);
followOverview((name) => {
  location.hash = encodeURIComponent(name);
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  find("main").focus();
});
addEventListener("hashchange", () => choose(readChosen()));
choose(readChosen());
